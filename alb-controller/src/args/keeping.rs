//! Where what is known of targets is kept.

use super::Args;
use edgeway_alb_core::names::hash;
use std::{ffi::OsString, fs, path::PathBuf};

/// Folders of programs that keep a state, most particular first: one is ours alone, in others there are
/// neighbours.
const PLACES: &[(&str, &str)] = &[
    ("STATE_DIRECTORY", ""),
    ("XDG_STATE_HOME", "edgeway-alb-controller"),
    ("HOME", ".local/state/edgeway-alb-controller"),
];

impl Args {
    /// The folder that is named; else, for a controller that stays, one where programs keep such things,
    /// if there is any. An empty name means none.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        match &self.last_good_dir {
            Some(named) => Some(named).filter(|name| !name.is_empty()).map(PathBuf::from),
            None if self.once => None,
            None => {
                #[expect(clippy::disallowed_methods, reason = "part of args, which reads it")]
                let folder = usual(|name| std::env::var_os(name))?.join(self.what());
                // Nobody has asked for it, so nobody need hear that it cannot be.
                fs::create_dir_all(&folder).is_ok().then_some(folder)
            }
        }
    }

    /// A name for what is looked after: ARNs of a stand-in for AWS may be those of another.
    fn what(&self) -> String {
        let endpoint = self.endpoint_url.as_deref().unwrap_or_default();
        let parts = [&*self.cluster_name, &self.vpc_id, &self.region, endpoint];
        hash(&[&parts.join("\n")])
    }
}

fn usual(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let place = |(name, below): &(&str, &str)| {
        let folder = PathBuf::from(variable(name)?);
        // An empty or relative one means nothing, as the XDG base directory specification says.
        folder.is_absolute().then(|| folder.join(below))
    };
    PLACES.iter().find_map(place)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::read, *};

    #[test]
    fn the_most_particular_place_counts() {
        for (set, wanted) in [
            (&[("STATE_DIRECTORY", "/s"), ("HOME", "/h")][..], Some("/s")),
            (&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")], Some("/x/edgeway-alb-controller")),
            (&[("HOME", "/h")], Some("/h/.local/state/edgeway-alb-controller")),
            (&[("XDG_STATE_HOME", ""), ("HOME", "relative")], None),
            (&[], None),
        ] {
            let find = |name: &str| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(usual(find), wanted.map(PathBuf::from), "{set:?}");
        }
    }

    #[test]
    fn a_named_folder_counts_and_an_empty_name_is_none() {
        let folder = |more: &[&str]| read(more).unwrap().folder();
        assert_eq!(folder(&["--last-good-dir=/d"]), Some("/d".into()));
        assert_eq!(folder(&["--last-good-dir=/d", "--once"]), Some("/d".into()));
        assert_eq!(folder(&["--last-good-dir="]), None);
        assert_eq!(folder(&["--once"]), None);
    }

    #[test]
    fn other_places_are_other_things() {
        let names =
            [&[][..], &["--endpoint-url=http://127.0.0.1:1"], &["--endpoint-url=http://a:2"]]
                .map(|more| read(more).unwrap().what());
        assert!(names[0] != names[1] && names[1] != names[2] && names[0].len() == 10, "{names:?}");
    }
}
