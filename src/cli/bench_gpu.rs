//! `zoometry bench --device gpu`: measures a GPU; the report is printed as the CPU's.

use std::process::Command;
use zoometry::Result;
use zoometry::bench::{Report, Row};
use zoometry::catalog::gpu::measure;
use zoometry::gpu::Gpu;

/// Measures a GPU; rows appear on stderr as they come.
pub fn run(adapter: Option<&str>, filter: &str, seconds: f64) -> Result<Report> {
    let gpu = Gpu::open(adapter)?;
    super::output::tell(format!("measuring {}", gpu.adapter().name));
    let progress = super::progress::rows_of_a_card();
    let tell = &mut |row: &Row| progress.set_message(format!("{}/{}", row.name, row.shape));
    let report = measure(&super::until_stopped(), gpu, filter, seconds, tell, &clock)?;
    progress.finish_and_clear();
    Ok(report)
}

/// The clock of the first NVIDIA GPU in MHz, where its tool is there.
fn clock() -> Option<u32> {
    let arguments = ["--query-gpu=clocks.sm", "--format=csv,noheader,nounits"];
    let output = Command::new("nvidia-smi").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().next()?.trim().parse().ok()
}
