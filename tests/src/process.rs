//! One running program: its lines, its end.

use crate::{PATIENCE, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

/// A program of ours that is running; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

/// Where the program `name` was built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("tests run in target/…/deps");
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built: run `make test`", path.display());
    path
}

/// The folder of the programs that are made into images: those beside the tests, unless
/// `EDGEWAY_BIN` names others.
pub fn programs() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "`make e2e` says which programs to try")]
    let given = std::env::var_os("EDGEWAY_BIN").map(PathBuf::from);
    given.unwrap_or_else(|| {
        let built = binary("edgeway");
        built.parent().expect("a program is in a folder").to_owned()
    })
}

/// Runs `name` to its end.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary(name));
    command.args(arguments).env("NO_COLOR", "1").stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{name} does not start: {error}"))
}

impl Process {
    /// Starts `name`.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_with(name, arguments, &[])
    }

    /// Starts `name` with more environment variables.
    pub fn start_with(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary(name));
        Self::spawn(name, command.args(arguments).envs(variables.iter().copied()))
    }

    /// Starts any command; its output is kept line by line.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        // What programs keep is none of the user's here.
        let state = std::env::temp_dir().join("edgeway-tests-state");
        command.env("NO_COLOR", "1").env("XDG_STATE_HOME", state).stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take(), &lines);
        collect(child.stderr.take(), &lines);
        Self { name: name.to_owned(), child, lines }
    }

    /// All it has printed so far, on both outputs.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no reader has panicked").clone()
    }

    /// Waits for a line that `wanted` takes, and gives what it made of it.
    pub fn wait_line<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        self.wait_line_after(0, what, wanted)
    }

    /// As [`Process::wait_line`], among the lines behind the first `seen`.
    pub fn wait_line_after<T>(
        &mut self,
        seen: usize,
        what: &str,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> T {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let lines = self.lines();
            if let Some(found) = lines.iter().skip(seen).find_map(|line| wanted(line)) {
                return found;
            }
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(
                ended.is_none() && std::time::Instant::now() < end,
                "{}: no line with {what} ({ended:?}):\n{}",
                self.name,
                lines.join("\n")
            );
            thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let name = self.name.clone();
        wait_for(&format!("the end of {name}"), || {
            self.child.try_wait().expect("a child can be asked")
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.lines().join("\n"));
        }
    }
}

fn collect(output: Option<impl Read + Send + 'static>, lines: &Arc<Mutex<Vec<String>>>) {
    let Some(output) = output else { return };
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            lines.lock().expect("no reader has panicked").push(line);
        }
    });
}
