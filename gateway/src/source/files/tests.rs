//! Real files that change under a running source.

use super::{Files, Follower, Lost, Source, Teller, listing};
use edgeway_api::Objects;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// A source that runs over a folder, and what it has sent.
struct Trial {
    folder: TempDir,
    latest: watch::Receiver<Arc<Objects>>,
    running: JoinHandle<Result<(), Lost>>,
}

impl Trial {
    /// Runs over `paths` in a folder that `prepare` fills.
    async fn start(paths: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        Self::start_as(paths, prepare, |files| files).await
    }

    async fn start_as(
        paths: &[&str],
        prepare: impl FnOnce(&Path),
        adapt: impl FnOnce(Files) -> Files,
    ) -> Self {
        let folder = tempdir().unwrap();
        prepare(folder.path());
        let paths = paths.iter().map(|path| folder.path().join(path)).collect();
        let (sender, mut latest) = watch::channel(Arc::default());
        let running = tokio::spawn(adapt(Files::new(paths)).run(sender));
        timeout(Duration::from_secs(5), latest.changed()).await.unwrap().unwrap();
        latest.mark_unchanged();
        Self { folder, latest, running }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let objects = self.latest.borrow();
        let mut names: Vec<String> =
            objects.gateways.iter().map(|gateway| gateway.metadata.name.clone().unwrap()).collect();
        names.sort();
        names
    }

    /// Waits until the gateways are `names`.
    async fn becomes(&mut self, names: &[&str]) {
        let start = Instant::now();
        while self.names() != names {
            let left = Duration::from_secs(30).saturating_sub(start.elapsed());
            let changed = timeout(left, self.latest.changed()).await;
            changed.unwrap_or_else(|_| panic!("{:?} is not {names:?}", self.names())).unwrap();
        }
    }

    async fn stop(self) {
        drop(self.latest);
        timeout(Duration::from_secs(5), self.running).await.unwrap().unwrap().unwrap();
    }
}

/// Without looks of its own, so that what is seen was told by the system.
fn told_alone(files: Files) -> Files {
    Files { look: Duration::from_hours(1), ..files }
}

fn gateway(name: &str) -> String {
    format!("apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\n---\n")
}

#[tokio::test]
async fn edits_in_a_folder_are_seen_at_once() {
    let prepare = |folder: &Path| fs::write(folder.join("a.yaml"), gateway("a")).unwrap();
    let mut trial = Trial::start_as(&["."], prepare, told_alone).await;
    assert_eq!(trial.names(), ["a"]);
    trial.write("a.yaml", &gateway("a2"));
    trial.becomes(&["a2"]).await;
    fs::create_dir(trial.path("deep")).unwrap();
    trial.write("deep/b.yml", &gateway("b"));
    trial.becomes(&["a2", "b"]).await;
    trial.write("deep/.c.yaml", &gateway("c"));
    trial.write("deep/c.yaml~", &gateway("c"));
    trial.write(
        "deep/d.json",
        r#"{"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "d"}}"#,
    );
    trial.becomes(&["a2", "b", "d"]).await;
    fs::remove_file(trial.path("a.yaml")).unwrap();
    trial.becomes(&["b", "d"]).await;
    fs::remove_dir_all(trial.path("deep")).unwrap();
    trial.becomes(&[]).await;
    trial.stop().await;
}

#[tokio::test]
async fn a_broken_edit_changes_nothing_but_the_problems() {
    let mut trial = Trial::start(&["."], |folder| {
        fs::write(folder.join("a.yaml"), gateway("a")).unwrap();
    })
    .await;
    trial.write("a.yaml", "kind: [");
    timeout(Duration::from_secs(5), trial.latest.changed()).await.unwrap().unwrap();
    assert_eq!(trial.names(), ["a"]);
    assert_eq!(trial.latest.borrow().defects.len(), 1);
    trial.write("a.yaml", &gateway("b"));
    trial.becomes(&["b"]).await;
    assert_eq!(trial.latest.borrow().defects, []);
    trial.stop().await;
}

#[tokio::test]
async fn a_named_file_may_be_replaced_by_an_editor() {
    let mut trial = Trial::start(&["conf.txt"], |folder| {
        fs::write(folder.join("conf.txt"), gateway("a")).unwrap();
    })
    .await;
    assert_eq!(trial.names(), ["a"]);
    for name in ["b", "c"] {
        trial.write(".conf.txt.new", &gateway(name));
        fs::rename(trial.path(".conf.txt.new"), trial.path("conf.txt")).unwrap();
        trial.becomes(&[name]).await;
    }
    fs::remove_file(trial.path("conf.txt")).unwrap();
    trial.becomes(&[]).await;
    assert_eq!(trial.latest.borrow().defects[0].code, "missing-file");
    trial.write("conf.txt", &gateway("d"));
    trial.becomes(&["d"]).await;
    trial.stop().await;
}

#[tokio::test]
async fn a_file_that_is_blank_or_gone_for_a_moment_is_not_believed() {
    let mut trial = Trial::start(&["."], |folder| {
        fs::write(folder.join("a.yaml"), gateway("a")).unwrap();
    })
    .await;
    for (gone, name) in [(false, "b"), (true, "c")] {
        if gone {
            fs::rename(trial.path("a.yaml"), trial.path("a.yaml~")).unwrap();
        } else {
            trial.write("a.yaml", "");
        }
        tokio::time::sleep(Duration::from_millis(120)).await;
        trial.write("a.yaml", &gateway(name));
        timeout(Duration::from_secs(5), trial.latest.changed()).await.unwrap().unwrap();
        assert_eq!(trial.names(), [name]);
    }
    trial.write("a.yaml", "");
    trial.becomes(&[]).await;
    trial.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_mounted_config_map_turns_to_its_next_version() {
    use std::os::unix::fs::symlink;
    for paths in [["."], ["a.yaml"]] {
        let prepare = |folder: &Path| {
            fs::create_dir(folder.join("..1")).unwrap();
            fs::write(folder.join("..1/a.yaml"), gateway("a")).unwrap();
            symlink("..1", folder.join("..data")).unwrap();
            symlink("..data/a.yaml", folder.join("a.yaml")).unwrap();
        };
        let mut trial = Trial::start_as(&paths, prepare, told_alone).await;
        assert_eq!(trial.names(), ["a"]);
        fs::create_dir(trial.path("..2")).unwrap();
        trial.write("..2/a.yaml", &gateway("b"));
        symlink("..2", trial.path("..data_tmp")).unwrap();
        fs::rename(trial.path("..data_tmp"), trial.path("..data")).unwrap();
        fs::remove_dir_all(trial.path("..1")).unwrap();
        trial.becomes(&["b"]).await;
        trial.stop().await;
    }
}

#[tokio::test]
async fn changes_are_seen_even_if_nobody_tells() {
    let prepare = |folder: &Path| fs::write(folder.join("a.yaml"), gateway("a")).unwrap();
    let adapt = |files| Files { look: Duration::from_millis(20), is_told: false, ..files };
    let mut trial = Trial::start_as(&["."], prepare, adapt).await;
    trial.write("a.yaml", &gateway("changed"));
    trial.becomes(&["changed"]).await;
    trial.write("b.yaml", &gateway("b"));
    trial.becomes(&["b", "changed"]).await;
    trial.stop().await;
}

#[tokio::test]
async fn a_path_that_is_not_there_at_start_is_named() {
    let (sender, _latest) = watch::channel(Arc::default());
    let lost = Files::new(vec!["/nowhere/at/all".into()]).run(sender).await.unwrap_err();
    assert_eq!(lost.to_string(), "there is no file or folder /nowhere/at/all; correct the path");
    let lost = Files::new(vec!["/nowhere".into()]).read().unwrap_err();
    assert!(matches!(lost, Lost::NotFound { .. }), "{lost}");
}

#[test]
fn everything_is_read_once_for_commands_that_look_once() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), gateway("a")).unwrap();
    fs::write(folder.path().join("b.yaml"), [0xff, 0xfe]).unwrap();
    let objects = Files::new(vec![folder.path().to_owned()]).read().unwrap();
    assert_eq!(objects.gateways.len(), 1);
    assert_eq!(objects.defects[0].code, "unreadable-file");
}

#[tokio::test]
async fn a_change_is_told_of_while_all_files_are_looked_at() {
    let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    for number in 0..500 {
        fs::write(folder.path().join(format!("{number}.yaml")), gateway("a")).unwrap();
    }
    let files =
        Files { look: Duration::from_millis(1), ..Files::new(vec![folder.path().to_owned()]) };
    let (teller, changes) = Teller::new();
    let watch = files.watch(&teller);
    assert!(watch.is_some());
    let mut follower = Follower { files: files.clone(), teller, changes, watch };
    for number in 0..20 {
        let stamps = listing::stamps(&listing::list(&files.paths));
        let (path, new) = (folder.path().join("7.yaml"), elsewhere.path().join("7.yaml"));
        fs::write(&new, gateway(&format!("b{number}"))).unwrap();
        let begun = sleep(Duration::from_millis(number));
        let change = async {
            begun.await;
            fs::rename(new, path).unwrap();
        };
        let (told, ()) = tokio::join!(follower.change(&stamps), change);
        let told = told.expect("it is known which file it is");
        assert!(told.iter().any(|path| path.ends_with("7.yaml")), "{told:?}");
    }
}
