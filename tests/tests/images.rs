//! What is in the images, and how they are run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{process::programs, root, skipped};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const IMAGES: [(&str, &str); 3] = [
    ("gateway", "edgeway-gateway"),
    ("alb-controller", "edgeway-alb-controller"),
    ("edgeway", "edgeway"),
];

fn image(arguments: &[&Path]) -> Output {
    let output = Command::new(root().join("deploy/image")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        skipped("there is no Python to make images with");
    }
    found
}

#[test]
fn images_have_what_their_programs_need_and_no_shell() {
    if !has_python() {
        return;
    }
    for (name, program) in IMAGES {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("root");
        image(&["root".as_ref(), name.as_ref(), &programs(), &place]);
        let binaries = files(&place.join("usr/local/bin"));
        assert_eq!(binaries, [place.join("usr/local/bin").join(program)]);
        for absent in ["bin", "usr/bin", "sbin", "home"] {
            assert!(!place.join(absent).exists(), "{name} has {absent}");
        }
        let passwd = fs::read_to_string(place.join("etc/passwd")).unwrap();
        assert!(passwd.lines().all(|line| line.ends_with("nologin")), "{passwd}");
        let certificates = place.join("etc/ssl/certs/ca-certificates.crt");
        assert!(fs::read_to_string(certificates).unwrap().contains("BEGIN CERTIFICATE"));
        let started = Command::new("chroot")
            .arg(&place)
            .args([&format!("/usr/local/bin/{program}"), "--help"])
            .output()
            .unwrap();
        let why = String::from_utf8_lossy(&started.stderr);
        if why.contains("cannot change root") {
            skipped("only root can try a program where nothing else is");
        } else {
            assert!(started.status.success(), "{name}: {why}");
        }
    }
}

#[test]
fn the_same_program_makes_the_same_image_run_as_the_dockerfile_says() {
    if !has_python() {
        return;
    }
    // A program of its own: what is packed is what matters, and this is small.
    let folder = tempfile::tempdir().unwrap();
    fs::copy("/bin/true", folder.path().join("edgeway-gateway")).unwrap();
    let archives = ["a.tar", "b.tar"].map(|name| folder.path().join(name));
    for archive in &archives {
        image(&["pack".as_ref(), "gateway".as_ref(), folder.path(), archive]);
    }
    let [one, two] = archives.map(|archive| fs::read(archive).unwrap());
    assert!(one == two);
    let text = String::from_utf8_lossy(&one);
    for part in [
        r#""RepoTags": ["edgeway/gateway:dev"]"#,
        r#""io.containerd.image.name": "docker.io/edgeway/gateway:dev""#,
        r#""Entrypoint": ["/usr/local/bin/edgeway-gateway"]"#,
        r#""User": "65532:65532""#,
        r#""15021/tcp""#,
        r#""imageLayoutVersion": "1.0.0""#,
    ] {
        assert!(text.contains(part), "{part}");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}
