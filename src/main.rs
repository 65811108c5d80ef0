//! The command `zoometry`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
