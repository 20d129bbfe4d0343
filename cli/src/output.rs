//! Where commands write: one door for text, so that colour and a reader that went away are settled once.

use serde::Serialize;
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tracing_subscriber::fmt::MakeWriter;

/// A text stream; clones share it.
#[derive(Clone)]
pub struct Output {
    sink: Arc<Mutex<Sink>>,
    coloured: bool,
}

/// The two streams of a command.
#[derive(Clone)]
pub struct Console {
    /// What was asked for.
    pub out: Output,
    /// Remarks that must not get into what was asked for.
    pub err: Output,
}

/// What a piece of text means; decides its colour on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Of less interest than its surroundings.
    Faint,
    /// A name to find again.
    Strong,
}

struct Sink {
    writer: Box<dyn Write + Send>,
    /// The reader has gone; the rest is written to nobody.
    gone: bool,
}

impl Console {
    /// Standard output and standard error; `colour` only where they are terminals.
    pub fn standard(colour: bool) -> Self {
        let out = io::stdout().is_terminal() && colour;
        let err = io::stderr().is_terminal() && colour;
        Self { out: Output::new(io::stdout(), out), err: Output::new(io::stderr(), err) }
    }
}

impl Output {
    /// A stream into `writer`.
    pub fn new(writer: impl Write + Send + 'static, coloured: bool) -> Self {
        let sink = Sink { writer: Box::new(writer), gone: false };
        Self { sink: Arc::new(Mutex::new(sink)), coloured }
    }

    /// Writes one line.
    pub fn line(&self, text: impl Display) -> io::Result<()> {
        writeln!(self.lock(), "{text}")
    }

    /// Writes `value` as JSON over several lines.
    pub fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.line(serde_json::to_string_pretty(value)?)
    }

    /// Writes `value` as JSON on one line.
    pub fn json_line(&self, value: &impl Serialize) -> io::Result<()> {
        self.line(serde_json::to_string(value)?)
    }

    /// Whether text may be coloured.
    pub fn is_coloured(&self) -> bool {
        self.coloured
    }

    /// `text` in the colour of `tone`, if there are colours.
    pub fn paint(&self, tone: Tone, text: impl Display) -> String {
        paint(self.coloured, tone, text)
    }

    fn lock(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `text` in the colour of `tone`, if `coloured`.
pub fn paint(coloured: bool, tone: Tone, text: impl Display) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Warn => "33",
        Tone::Bad => "31",
        Tone::Faint => "2",
        Tone::Strong => "1",
    };
    if coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
}

/// How a list is written.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum Shape {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For programs, and people as well.
    Yaml,
}

/// Rows as lines, the cells of a column as wide as the widest of them.
pub fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|it| it.chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|at| width(at).unwrap_or_default());
    let line = |row: &[String; N]| {
        let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A reader that went away (`edgeway check | head -1`) is no error of ours.
impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gone {
            return Ok(bytes.len());
        }
        match self.writer.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(bytes.len())
            }
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.writer.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    pub(crate) struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A console whose two streams can be read.
    pub(crate) fn console() -> (Console, Page, Page) {
        let (out, err) = (Page::default(), Page::default());
        let console =
            Console { out: Output::new(out.clone(), false), err: Output::new(err.clone(), false) };
        (console, out, err)
    }

    #[derive(Default)]
    struct Pipe(Arc<Mutex<u32>>);

    impl Write for Pipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            *self.0.lock().unwrap() += 1;
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_left_alone() {
        let pipe = Pipe::default();
        let writes = Arc::clone(&pipe.0);
        let output = Output::new(pipe, false);
        output.line("one").unwrap();
        output.line("two").unwrap();
        assert_eq!(*writes.lock().unwrap(), 1);
    }

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(paint(false, Tone::Bad, "x"), "x");
        assert_eq!(paint(true, Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
    }
}
