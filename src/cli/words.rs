//! `zoometry completions` and `zoometry man`: the words of the command line for shells and as pages of the manual.

use super::Cli;
use super::output::{Force, Output};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use std::io::Write;
use std::path::{Path, PathBuf};
use zoometry::out::{FileKind, Guard, replace};
use zoometry::{Error, Result};

/// Print the completions of a shell, to be read by it
///
/// bash: `zoometry completions bash > /etc/bash_completion.d/zoometry`; zsh: into a folder of $fpath as `_zoometry`; fish: into
/// ~/.config/fish/completions/zoometry.fish.
#[derive(Args)]
pub struct Completions {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub fn run(&self) -> Result<Output> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "zoometry", &mut script);
        Ok(Output::raw(String::from_utf8_lossy(&script).into_owned()))
    }
}

/// Write the pages of the manual: zoometry.1 and one for each verb
#[derive(Args)]
pub struct Man {
    /// The folder for the pages; without it the first page goes to stdout
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

impl Man {
    pub fn run(&self) -> Result<Output> {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let Some(folder) = &self.out else {
            return Ok(Output::raw(String::from_utf8_lossy(&page(&command)?).into_owned()));
        };
        let mut guard = self.force.guard([] as [&Path; 0]);
        guard.folder(folder)?;
        let mut output = Output::default();
        let verbs: Vec<&Command> = command.get_subcommands().collect();
        write(&command, "zoometry".into(), folder, &mut guard)?;
        for verb in &verbs {
            let name = format!("zoometry-{}", verb.get_name());
            write(&(*verb).clone().display_name(name.clone()), name, folder, &mut guard)?;
        }
        output.line(format!("{}: {} pages", folder.display(), 1 + verbs.len()));
        Ok(output)
    }
}

/// What every page ends with.
const END: &str = "\
.SH \"EXIT STATUS\"
0, or 1 for a failed job or a bad file, 2 for a wrong command line, 130 when stopped.
.SH ENVIRONMENT
.TP
\\fBZOOMETRY_DATA\\fR
The folder that holds the data sets' folders, as \\-\\-data\\-dir.
.TP
\\fBZOOMETRY_ISA\\fR
The instruction set of the kernels, as \\-\\-isa.
";

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
    page.extend_from_slice(END.as_bytes());
    rendered.map(|()| page).map_err(Error::io("write", "a page of the manual"))
}

fn write(command: &Command, name: String, folder: &Path, guard: &mut Guard) -> Result<()> {
    let out = guard.file(folder.join(name + ".1"), FileKind::Manual)?;
    let page = page(command)?;
    replace(&out, |file| file.write_all(&page))
}
