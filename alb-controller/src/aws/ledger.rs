//! What is known of targets, and of the tags of listeners and rules, kept over a restart: so that a
//! controller that starts again where nothing has changed need not ask about each of them.
//!
//! It only saves calls. An entry counts for the thing with its ARN alone, and that of a group only while
//! the group is wished to have the very targets that it had; whatever was done behind our back is found
//! by the check for drift. Whose a load balancer or a target group is, is asked in any case.

use super::{arns::Arns, client::Aws, observe::Tagged};
use edgeway_alb_core::{Desired, Health, Key, ListenerKey, Observed, tags::Tags, target::Targets};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// The file's name in its folder.
const FILE: &str = "targets.json";

/// What a file of ours says it is; another is not read.
const FORMAT: &str = "edgeway-targets-1";

/// More than this is not read.
const LARGEST: u64 = 64 << 20;

/// So few groups are asked about in any case: that takes a moment, and shows at once what was done to
/// them while nobody looked.
const FEW: usize = 20;

/// What was known of one target group.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    targets: String,
    health: Health,
}

/// All that is kept, by ARN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entries {
    groups: BTreeMap<String, Entry>,
    /// Tags of listeners and rules.
    parts: Tagged,
}

/// What was known when it was last written.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    folder: Option<PathBuf>,
    entries: Mutex<Entries>,
}

impl Ledger {
    /// Reads what was kept in a folder. What cannot be read is as good as nothing.
    pub(super) fn open(folder: Option<PathBuf>) -> Self {
        let kept = folder.as_deref().map(|folder| read(&folder.join(FILE)));
        let entries = match kept {
            Some(Ok(text)) => entries(&text).unwrap_or_default(),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "what was known of targets cannot be read: all are asked for");
                Entries::default()
            }
            Some(Err(_)) | None => Entries::default(),
        };
        Self { folder, entries: Mutex::new(entries) }
    }

    /// Whether what is known counts where so much is wished.
    pub(super) fn counts(desired: &Desired) -> bool {
        desired.stacks.values().map(|stack| stack.target_groups.len()).sum::<usize>() > FEW
    }

    /// How the targets of a group are, if they are known to be these.
    pub(super) fn health(&self, arn: &str, targets: &Targets) -> Option<Health> {
        let entries = self.entries.lock().ok()?;
        let entry = entries.groups.get(arn).filter(|entry| entry.targets == print(targets));
        entry.map(|entry| entry.health)
    }

    /// The tags of all listeners and rules that are known.
    pub(super) fn parts(&self) -> Tagged {
        self.entries.lock().map(|entries| entries.parts.clone()).unwrap_or_default()
    }
}

/// Keeps what is known now. A group from which targets are on their way out is better asked about.
pub(super) async fn remember(aws: &Aws, observed: &Observed) {
    let Some(folder) = aws.ledger.folder.clone() else { return };
    let new = {
        let arns = aws.arns.lock().await;
        of(observed, &arns)
    };
    let Ok(mut entries) = aws.ledger.entries.lock() else { return };
    if *entries == new {
        return;
    }
    match write(&folder, &text(&new)) {
        Ok(()) => *entries = new,
        // It is tried again after the next pass.
        Err(error) => tracing::warn!(
            %error, folder = %folder.display(),
            "what is known of targets cannot be kept: it would not outlive a restart"
        ),
    }
}

fn of(observed: &Observed, arns: &Arns) -> Entries {
    Entries { groups: groups(observed, arns), parts: parts(observed, arns) }
}

fn parts(observed: &Observed, arns: &Arns) -> Tagged {
    let balancers = observed.stacks.values().flat_map(|standing| standing.load_balancers.values());
    let mut known = Tagged::new();
    for (balancer, port, listener) in balancers
        .flat_map(|balancer| balancer.listeners.iter().map(move |(port, it)| (balancer, port, it)))
    {
        let place = ListenerKey { load_balancer: balancer.name.clone(), port: *port };
        let rule = |priority: &u32| Key::Rule { listener: place.clone(), priority: *priority };
        let rules = listener.rules.iter().map(|(priority, it)| (rule(priority), &it.tags));
        let all = rules.chain([(Key::Listener(place.clone()), &listener.tags)]);
        known.extend(all.filter_map(|(key, tags)| Some((arns.of(&key).ok()?, tags.clone()))));
    }
    known
}

fn groups(observed: &Observed, arns: &Arns) -> BTreeMap<String, Entry> {
    let groups = observed.stacks.values().flat_map(|standing| standing.target_groups.values());
    let calm = groups.filter(|group| group.draining.is_empty());
    let known = calm.filter_map(|group| {
        let arn = arns.of(&Key::TargetGroup(group.name.clone())).ok()?;
        let registered = group.targets.len();
        let none = Health { healthy: 0, registered };
        let health = observed.health.get(&group.name).copied().unwrap_or(none);
        Some((arn, Entry { targets: print(&group.targets), health }))
    });
    known.collect()
}

/// The same text for the same targets, and for no others.
fn print(targets: &Targets) -> String {
    let mut hash = Sha256::new();
    for (target, zone) in targets {
        hash.update(format!("{target} {}\n", zone.as_deref().unwrap_or_default()));
    }
    let mut text = String::new();
    for byte in hash.finalize().iter().take(16) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn text(entries: &Entries) -> String {
    let Entries { groups, parts } = entries;
    let groups: BTreeMap<&String, Value> = groups
        .iter()
        .map(|(arn, Entry { targets, health: Health { healthy, registered } })| {
            (arn, json!([targets, healthy, registered]))
        })
        .collect();
    // Mostly the same, and so each is written once.
    let sets: BTreeSet<&Tags> = parts.values().collect();
    let numbers: BTreeMap<&Tags, usize> = (0..).zip(&sets).map(|(n, set)| (*set, n)).collect();
    let sets: Vec<BTreeMap<&String, &String>> =
        sets.iter().map(|set| set.iter().collect()).collect();
    let parts: BTreeMap<&String, Option<&usize>> =
        parts.iter().map(|(arn, tags)| (arn, numbers.get(tags))).collect();
    json!({"format": FORMAT, "groups": groups, "tags": sets, "parts": parts}).to_string()
}

fn entries(text: &str) -> Option<Entries> {
    let kept: Value = serde_json::from_str(text).ok()?;
    let groups = read_groups(&kept)?;
    Some(Entries { groups, parts: read_parts(&kept).unwrap_or_default() })
}

fn read_parts(kept: &Value) -> Option<Tagged> {
    let set = |set: &Value| -> Option<Tags> {
        let pair =
            |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        set.as_object()?.iter().map(pair).collect()
    };
    let sets: Vec<Tags> = kept.get("tags")?.as_array()?.iter().map(set).collect::<Option<_>>()?;
    let part = |(arn, number): (&String, &Value)| {
        let set = sets.get(usize::try_from(number.as_u64()?).ok()?)?;
        Some((arn.clone(), set.clone()))
    };
    Some(kept.get("parts")?.as_object()?.iter().filter_map(part).collect())
}

fn read_groups(kept: &Value) -> Option<BTreeMap<String, Entry>> {
    let groups = kept
        .get("groups")
        .filter(|_| kept.get("format").is_some_and(|it| it == FORMAT))?
        .as_object()?;
    let entry = |value: &Value| {
        let count = |at: usize| usize::try_from(value.get(at)?.as_u64()?).ok();
        let health = Health { healthy: count(1)?, registered: count(2)? };
        Some(Entry { targets: value.get(0)?.as_str()?.to_owned(), health })
    };
    Some(groups.iter().filter_map(|(arn, value)| Some((arn.clone(), entry(value)?))).collect())
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other("it is too large to be ours"));
    }
    fs::read_to_string(path)
}

/// Whole, or not at all.
fn write(folder: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let new = folder.join(format!("{FILE}.new"));
    fs::write(&new, text)?;
    fs::rename(new, folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_alb_core::target::TargetId;

    fn targets(ids: &[&str]) -> Targets {
        ids.iter().map(|id| (TargetId { id: (*id).to_owned(), port: 80 }, None)).collect()
    }

    fn entry(ids: &[&str]) -> Entry {
        let registered = ids.len();
        Entry { targets: print(&targets(ids)), health: Health { healthy: 1, registered } }
    }

    #[test]
    fn it_counts_for_the_very_group_and_the_very_targets() {
        let folder = tempfile::tempdir().unwrap();
        let groups = [("arn:a".to_owned(), entry(&["10.0.0.1", "10.0.0.2"]))].into();
        write(folder.path(), &text(&Entries { groups, ..Entries::default() })).unwrap();
        let ledger = Ledger::open(Some(folder.path().to_owned()));
        let same = targets(&["10.0.0.2", "10.0.0.1"]);
        assert_eq!(ledger.health("arn:a", &same), Some(Health { healthy: 1, registered: 2 }));
        assert_eq!(ledger.health("arn:b", &same), None);
        assert_eq!(ledger.health("arn:a", &targets(&["10.0.0.1"])), None);
        assert_eq!(ledger.health("arn:a", &targets(&["10.0.0.1", "10.0.0.3"])), None);
    }

    #[test]
    fn tags_are_read_back_and_the_same_ones_are_written_once() {
        let tags = |stack: &str| Tags::from([("stack".to_owned(), stack.to_owned())]);
        let parts: Tagged = [("arn:1", "one"), ("arn:2", "one"), ("arn:3", "other")]
            .map(|(arn, stack)| (arn.to_owned(), tags(stack)))
            .into();
        let all = Entries { parts, ..Entries::default() };
        let text = text(&all);
        assert_eq!(entries(&text), Some(all));
        assert_eq!(text.matches("\"one\"").count(), 1, "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_as_good_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let groups = "{\"format\":\"other\",\"groups\":{\"a\":[\"x\",1,1]}}";
        for text in ["", "{", groups, "[]"] {
            write(folder.path(), text).unwrap();
            let ledger = Ledger::open(Some(folder.path().to_owned()));
            assert_eq!(*ledger.entries.lock().unwrap(), Entries::default(), "{text}");
        }
        assert!(Ledger::open(None).health("arn:a", &Targets::new()).is_none());
        let odd = format!(
            "{{\"format\":\"{FORMAT}\",\"groups\":{{}},\"tags\":[],\"parts\":{{\"a\":7}}}}"
        );
        assert_eq!(entries(&odd), Some(Entries::default()), "a set that is not there");
    }
}
