//! `zoometry report`

use super::output::{self, Force, Output, count, counted};
use super::{MachineArgs, files, progress};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use zoometry::eval::{Division, MIN_NETWORKS};
use zoometry::out::{FileKind, Guard, OutPath, replace};
use zoometry::report;
use zoometry::study::{FILE, Header, Protocol, Study, StudyRun, Subject};
use zoometry::{Context, Error, Result};

/// Heading of a study's page.
pub const TITLE: &str = "What weights tell of accuracy";

/// Networks of a zoo that a report is made of: more would tell little more, and take long.
pub const SAMPLE: usize = 2000;

/// Make one page of what a study found, or of a zoo
///
/// The page needs nothing else, neither other files nor a network nor scripts, and is light or dark as its reader has it.
#[derive(Args)]
pub struct Report {
    /// The folder of a study, or a zoo in one file or several; a name in quotes may have * and ? in its last part
    #[arg(value_name = "DIR|ZOO", required = true)]
    source: Vec<PathBuf>,
    /// The page
    #[arg(short, long, value_name = "FILE.html", default_value = "report.html")]
    out: PathBuf,
    /// Write the pictures as .svg files to this folder too
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Heading of the page
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Networks of a zoo that scores, importances and map are of, drawn at random; of all the accuracies are shown
    #[arg(long, value_name = "N", default_value_t = SAMPLE, allow_negative_numbers = true, value_parser = super::number::<usize>)]
    sample: usize,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Report {
    pub fn run(&self) -> Result<Output> {
        if self.sample < MIN_NETWORKS {
            return Err(Error::invalid("--sample", format!("at least {MIN_NETWORKS}"), self.sample));
        }
        let context = &self.machine.context()?;
        let sources = files::expand(&self.source)?;
        let source = &sources[0];
        let folder = sources.len() == 1 && source.is_dir();
        let mut guard = self.force.guard(sources.iter().chain([&source.join(FILE)]));
        let out = guard.file(&self.out, FileKind::Page)?;
        self.pictures.iter().try_for_each(|folder| guard.folder(folder))?;
        let study = match folder {
            true if !source.join(FILE).exists() => {
                return Err(Error::other_kind(source, format!("that of a study, which has a file {FILE}"), "a folder"));
            }
            true => Study::load(source)?,
            false => self.machine.run(|| of_zoo(context, &sources, self.sample)).map_err(|error| match error {
                // of a zoo's own page nothing is kept on the way
                Error::Interrupted => Error::Cancelled,
                other => other,
            })?,
        };
        let name = source.file_stem().map_or("zoo".into(), |name| name.to_string_lossy());
        let title = self.title.clone().unwrap_or_else(|| match folder {
            true => TITLE.into(),
            false => format!("The zoo {name}"),
        });
        let bytes = write(&study, &title, &out)?;
        let mut output = Output::default();
        sampled(&study, &mut output);
        let kilobytes = count(bytes.div_ceil(1000) as u64);
        output.line(format!("{}: {kilobytes} kB, {}", self.out.display(), contents(&study)));
        output.path("out", &self.out);
        output.set("bytes", bytes);
        if let Some(folder) = &self.pictures {
            let files = write_pictures(&study, folder, &mut guard)?;
            output.line(format!("{}: {} pictures", folder.display(), files.len()));
            output.set("pictures", files.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>());
        }
        Ok(output)
    }
}

fn contents(study: &Study) -> String {
    format!("{}, {}", counted(study.zoos.len(), "zoo"), counted(study.cells.len(), "score"))
}

/// Says of which zoos only some networks were looked at.
fn sampled(study: &Study, output: &mut Output) {
    output.set("samples", study.zoos.iter().map(|zoo| zoo.sample).collect::<Vec<_>>());
    for zoo in &study.zoos {
        if let Some(sample) = zoo.sample {
            let [sample, all] = [sample, zoo.networks].map(|networks| count(networks as u64));
            output.line(format!("{}: scores of {sample} networks, drawn at random from {all} (--sample)", zoo.name));
        }
    }
}

/// Writes all pictures; gives their paths.
fn write_pictures(study: &Study, folder: &Path, guard: &mut Guard) -> Result<Vec<PathBuf>> {
    let write = |(name, svg): (String, String)| {
        let path = folder.join(name);
        output::picture(&guard.file(&path, FileKind::Picture)?, &svg)?;
        Ok(path)
    };
    report::pictures(study).into_iter().map(write).collect()
}

/// What a zoo alone tells: its networks, a few predictors, what matters to them, all but the accuracies of a sample of so many
/// networks at most. Nothing of it is kept.
pub fn of_zoo(context: &Context, files: &[PathBuf], sample: usize) -> Result<Study> {
    let mut zoos: Vec<Subject> = Vec::new();
    for files in files::groups(files)? {
        zoos.push(Subject::open(&files, &zoos, None, 0)?.sampled(sample));
    }
    let mut run = StudyRun::new(context, &zoos, header(Protocol::Clean, zoos[0].division()), None)?;
    let bar = progress::steps();
    let outcome = run.brief(&mut |done, all, next| progress::step(&bar, done, all, next));
    bar.finish_and_clear();
    outcome.map(|()| run.study().clone())
}

/// How a study is made by this command.
pub fn header(protocol: Protocol, division: &Division) -> Header {
    let words = std::env::args_os().map(|word| quoted(&word.to_string_lossy()));
    Header {
        command: words.collect::<Vec<_>>().join(" "),
        program: format!("zoometry {}", env!("CARGO_PKG_VERSION")),
        protocol,
        split_seed: division.seed().unwrap_or(0),
        split: division.digest().map(str::to_owned),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./,:=+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Writes the page of a study; gives its size in bytes.
pub fn write(study: &Study, title: &str, out: &OutPath) -> Result<usize> {
    let page = report::html(study, title);
    replace(out, |file| file.write_all(page.as_bytes()))?;
    Ok(page.len())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_the_words_again() {
        assert_eq!(quoted("study/a-1.safetensors"), "study/a-1.safetensors");
        assert_eq!(
            (quoted(""), quoted("a b"), quoted("it's $1")),
            ("''".into(), "'a b'".into(), r"'it'\''s $1'".into())
        );
    }
}
