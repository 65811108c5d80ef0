//! Which networks of a zoo a task trains: as `--shard` says, else as the scheduler that started it.
//!
//! Slurm, Sun's and Open Grid Engine's arrays and Kubernetes' indexed jobs tell a task its place. PBS tells it only its own index, so the
//! number of tasks has to be given: `--shard $((PBS_ARRAY_INDEX + 1))/8`; GNU parallel replaces `--shard {#}/{##}`.

use super::output;
use std::path::{Path, PathBuf};
use zoometry::zoo::Place;
use zoometry::{Error, Result};

/// The variables in which a scheduler tells a task its place.
struct Scheduler {
    name: &'static str,
    index: &'static str,
    /// The first task's index; 0 without it.
    first: Option<&'static str>,
    /// What the indices are apart; 1 without it.
    step: Option<&'static str>,
    all: All,
}

/// How many tasks there are.
enum All {
    Count(&'static str),
    /// The last task's index.
    Last(&'static str),
    Untold,
}

const SCHEDULERS: [Scheduler; 5] = [
    Scheduler {
        name: "Slurm",
        index: "SLURM_ARRAY_TASK_ID",
        first: Some("SLURM_ARRAY_TASK_MIN"),
        step: Some("SLURM_ARRAY_TASK_STEP"),
        all: All::Count("SLURM_ARRAY_TASK_COUNT"),
    },
    Scheduler {
        name: "Kubernetes",
        index: "JOB_COMPLETION_INDEX",
        first: None,
        step: None,
        all: All::Count("JOB_COMPLETIONS"),
    },
    Scheduler {
        name: "Grid Engine",
        index: "SGE_TASK_ID",
        first: Some("SGE_TASK_FIRST"),
        step: Some("SGE_TASK_STEPSIZE"),
        all: All::Last("SGE_TASK_LAST"),
    },
    Scheduler { name: "PBS", index: "PBS_ARRAY_INDEX", first: None, step: None, all: All::Untold },
    Scheduler { name: "PBS", index: "PBS_ARRAYID", first: None, step: None, all: All::Untold },
];

/// The place that was given, else the scheduler's, which is said on stderr, else the whole zoo.
///
/// # Errors
/// [`Error::Invalid`] where a scheduler says something from which the place does not follow.
pub fn place(given: Option<Place>) -> Result<Place> {
    if let Some(place) = given {
        return Ok(place);
    }
    // of a task outside an array Grid Engine says «undefined»
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !["", "undefined"].contains(&&**value));
    let Some((place, scheduler)) = scheduled(&variable)? else { return Ok(Place::WHOLE) };
    let (name, index) = (scheduler.name, scheduler.index);
    output::tell(format!("shard {place}, as {name} says in {index} (--shard 1/1 for the whole zoo)"));
    Ok(place)
}

/// The place that the first scheduler that tells one tells.
fn scheduled(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<(Place, &'static Scheduler)>> {
    let Some(scheduler) = SCHEDULERS.iter().find(|scheduler| variable(scheduler.index).is_some()) else {
        return Ok(None);
    };
    let number = |name: &str| -> Option<usize> { variable(name)?.parse().ok() };
    let found = || {
        let (index, first) = (number(scheduler.index)?, scheduler.first.map_or(Some(0), number)?);
        let step = scheduler.step.filter(|name| variable(name).is_some()).map_or(Some(1), number)?;
        let count = match scheduler.all {
            All::Count(name) => number(name)?,
            All::Last(name) => number(name)?.checked_sub(first)?.checked_div(step)? + 1,
            All::Untold => return None,
        };
        let ahead = index.checked_sub(first)?;
        // an array that begins elsewhere, or of one task, repeats some tasks of another
        let whole_array = scheduler.first.is_none() || (first <= 1 && count > 1);
        let place = Place { index: ahead.checked_div(step)?, count };
        (whole_array && ahead.is_multiple_of(step) && place.index < count && count <= Place::MOST).then_some(place)
    };
    match found() {
        Some(place) => Ok(Some((place, scheduler))),
        None => Err(untold(scheduler, variable)),
    }
}

/// What is to be done where the place does not follow.
fn untold(scheduler: &Scheduler, variable: &dyn Fn(&str) -> Option<String>) -> Error {
    let count = match scheduler.all {
        All::Count(name) | All::Last(name) => Some(name),
        All::Untold => None,
    };
    let names = [Some(scheduler.index), scheduler.first, scheduler.step, count].into_iter().flatten();
    let told = names.map(|name| format!("{name}={}", variable(name).unwrap_or_default())).collect::<Vec<_>>();
    let expected = format!(
        "I/N, for {} does not say which of how many shards this is (1/1 for the whole zoo; an array of only some of the tasks, \
         or of one, cannot tell)",
        scheduler.name
    );
    Error::invalid("--shard", expected, told.join(" "))
}

/// The file of a shard: `zoo.safetensors` becomes `zoo-00002-of-00008.safetensors`, as is usual for files in parts.
pub fn file(zoo: &Path, place: Place) -> PathBuf {
    if place == Place::WHOLE {
        return zoo.into();
    }
    let stem = zoo.file_stem().unwrap_or_default().to_string_lossy();
    let ending = zoo.extension().map_or(String::new(), |ending| format!(".{}", ending.to_string_lossy()));
    zoo.with_file_name(format!("{stem}-{:05}-of-{:05}{ending}", place.index + 1, place.count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<Option<String>> {
        let variable = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
        Ok(scheduled(&variable)?.map(|(place, scheduler)| format!("{} {place}", scheduler.name)))
    }

    #[test]
    fn schedulers_tell_the_place() {
        let slurm = |id, min, count, step| {
            let names = ["ID", "MIN", "COUNT", "STEP"].map(|name| format!("SLURM_ARRAY_TASK_{name}"));
            let values = [id, min, count, step];
            found(&names.iter().map(String::as_str).zip(values).collect::<Vec<_>>())
        };
        assert_eq!(slurm("2", "0", "4", "1").unwrap().as_deref(), Some("Slurm 3/4"));
        assert_eq!(slurm("1", "1", "4", "1").unwrap().as_deref(), Some("Slurm 1/4"));
        assert_eq!(slurm("8", "0", "4", "4").unwrap().as_deref(), Some("Slurm 3/4"));
        // some tasks again, a list with gaps, nonsense
        for (id, min, count, step) in [
            ("3", "3", "1", "1"),
            ("0", "0", "1", "1"),
            ("7", "1", "3", "1"),
            ("2", "2", "2", "1"),
            ("x", "0", "4", "1"),
            ("1", "0", "4", "0"),
        ] {
            let message = slurm(id, min, count, step).unwrap_err().to_string();
            assert!(message.contains("1/1 for the whole zoo") && message.contains(&format!("ID={id}")), "{message}");
        }
        let kubernetes = [("JOB_COMPLETION_INDEX", "0"), ("JOB_COMPLETIONS", "4")];
        assert_eq!(found(&kubernetes).unwrap().as_deref(), Some("Kubernetes 1/4"));
        assert_eq!(found(&[kubernetes[0], ("JOB_COMPLETIONS", "1")]).unwrap().as_deref(), Some("Kubernetes 1/1"));
        assert!(found(&kubernetes[..1]).unwrap_err().to_string().contains("JOB_COMPLETIONS="));
        let engine = ["SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE"];
        let engine: Vec<(&str, &str)> = engine.into_iter().zip(["3", "1", "7", "2"]).collect();
        assert_eq!(found(&engine).unwrap().as_deref(), Some("Grid Engine 2/4"));
        assert!(found(&[("PBS_ARRAY_INDEX", "3")]).unwrap_err().to_string().contains("PBS_ARRAY_INDEX=3"));
        assert_eq!(found(&[("PARALLEL_SEQ", "3")]).unwrap(), None);
    }

    #[test]
    fn files_of_shards_sort_by_their_places() {
        let place = |index| Place { index, count: 12 };
        let names = [1, 9].map(|index| file(Path::new("a/zoo.v1.safetensors"), place(index)));
        assert_eq!(names[0], Path::new("a/zoo.v1-00002-of-00012.safetensors"));
        assert!(names.is_sorted());
        assert_eq!(file(Path::new("zoo"), place(0)), Path::new("zoo-00001-of-00012"));
        assert_eq!(file(Path::new("zoo"), Place::WHOLE), Path::new("zoo"));
    }
}
