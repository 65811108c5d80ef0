//! Adapters, and one of them opened.

use crate::{Error, Result};
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a GPU allows at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Bytes of workgroup memory.
    pub workgroup_bytes: usize,
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Bytes of a buffer as a shader sees it.
    pub binding_bytes: u64,
    /// Workgroups in a row of a dispatch.
    pub groups: usize,
    /// Iterations that the loops of an invocation may make together in a dispatch, where there is a limit: lavapipe leaves
    /// every loop after that and says nothing.
    pub iterations: Option<usize>,
}

/// `LP_MAX_TGSI_LOOP_ITERATIONS` of Mesa's gallivm, which runs the shaders of lavapipe.
const LAVAPIPE_ITERATIONS: usize = 65_535;

/// A GPU with its driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adapter {
    /// Its number, which `--adapter` takes.
    pub index: usize,
    /// What the driver calls it.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Its driver and the driver's version, as far as the driver tells.
    pub driver: String,
    /// Whether it is a program on the processor that behaves like a GPU.
    pub software: bool,
    /// What it allows.
    pub limits: Limits,
    /// Whether it can tell how long a dispatch took.
    pub timestamps: bool,
    /// Whether shaders have 64-bit integers.
    pub wide_integers: bool,
    /// Invocations of its smallest subgroup, where those of a subgroup can wait for each other.
    pub subgroup: Option<usize>,
}

/// Subgroups whose invocations can wait for each other.
const SUBGROUPS: wgpu::Features = wgpu::Features::SUBGROUP.union(wgpu::Features::SUBGROUP_BARRIER);

/// What is used where it is there.
const FEATURES: wgpu::Features = SUBGROUPS.union(wgpu::Features::SHADER_INT64).union(wgpu::Features::TIMESTAMP_QUERY);

impl Adapter {
    /// Whether the 32 invocations of a warp lie in one subgroup and can wait for each other.
    pub fn has_warps(&self) -> bool {
        self.subgroup.is_some_and(|least| least >= 32)
    }

    fn new(index: usize, adapter: &wgpu::Adapter) -> Adapter {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let software = info.device_type == wgpu::DeviceType::Cpu;
        Adapter {
            index,
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            software,
            limits: Limits {
                workgroup_bytes: limits.max_compute_workgroup_storage_size as usize,
                invocations: limits.max_compute_invocations_per_workgroup as usize,
                binding_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
                groups: limits.max_compute_workgroups_per_dimension as usize,
                iterations: software.then_some(LAVAPIPE_ITERATIONS),
            },
            timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
            wide_integers: adapter.features().contains(wgpu::Features::SHADER_INT64),
            subgroup: adapter.features().contains(SUBGROUPS).then_some(info.subgroup_min_size as usize),
        }
    }
}

/// Every adapter of this machine, real GPUs first; an adapter's place is its number.
pub fn adapters() -> Vec<Adapter> {
    found().iter().enumerate().map(|(index, adapter)| Adapter::new(index, adapter)).collect()
}

/// Every adapter, the strongest kind first.
fn found() -> Vec<wgpu::Adapter> {
    let descriptor = wgpu::InstanceDescriptor {
        // no layers that a driver may print through, in no build
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let mut adapters = ready(wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::all()));
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::VirtualGpu => 1,
        wgpu::DeviceType::IntegratedGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

/// What a machine without adapters lacks.
pub const NEEDED: &str =
    "a driver for Vulkan, Metal or Direct3D 12 is needed, for Vulkan also its loader (libvulkan.so.1 on Linux)";

/// A GPU in use.
#[derive(Debug)]
pub struct Gpu {
    adapter: Adapter,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    failure: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// Opens an adapter: by its number, by a part of its name, or the strongest one.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a choice that is none of the adapters; [`Error::Device`] where there is none at all or the
    /// driver refuses.
    pub fn open(choice: Option<&str>) -> Result<Gpu> {
        let found = found();
        let adapters: Vec<Adapter> =
            found.iter().enumerate().map(|(index, adapter)| Adapter::new(index, adapter)).collect();
        if adapters.is_empty() {
            return Err(Error::Device { device: "graphics adapter".into(), problem: format!("none found; {NEEDED}") });
        }
        let index = choose(&adapters, choice)?;
        let (adapter, own) = (adapters[index].clone(), &found[index]);
        let wanted = wgpu::DeviceDescriptor {
            label: None,
            required_features: own.features() & FEATURES,
            required_limits: own.limits(),
            experimental_features: wgpu::ExperimentalFeatures::disabled(),
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        };
        let refused = |error: wgpu::RequestDeviceError| Error::Device {
            device: adapter.name.clone(),
            problem: format!("cannot be opened: {error}"),
        };
        let (device, queue) = ready(own.request_device(&wanted)).map_err(refused)?;
        let failure = Arc::new(Mutex::new(None));
        let (first, second) = (failure.clone(), failure.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&first, &describe(&error))));
        device.set_device_lost_callback(move |reason, message| {
            note(&second, &format!("the device was lost ({reason:?}): {message}"));
        });
        Ok(Gpu { adapter, device, queue, failure })
    }

    /// The GPU.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// What it allows.
    pub fn limits(&self) -> Limits {
        self.adapter.limits
    }

    /// An [`Error::Device`] of this GPU.
    pub fn fail(&self, problem: impl Into<String>) -> Error {
        Error::Device { device: self.adapter.name.clone(), problem: problem.into() }
    }

    /// The first failure that the GPU has reported, if any.
    pub(super) fn check(&self) -> Result<()> {
        match &*lock(&self.failure) {
            Some(problem) => Err(self.fail(problem.clone())),
            None => Ok(()),
        }
    }

    /// Waits until everything that was submitted is done.
    ///
    /// # Errors
    /// [`Error::Device`]: the first failure since the GPU was opened.
    pub fn wait(&self) -> Result<()> {
        self.wait_for(None)
    }

    /// Waits until a submission is done, or all of them.
    pub(super) fn wait_for(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        // wgpu panics where the driver loses the device while it is waited for
        let wait = wgpu::PollType::Wait { submission_index, timeout: None };
        let poll = AssertUnwindSafe(|| self.device.poll(wait));
        let polled = catch_unwind(poll);
        self.check()?;
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.fail(format!("cannot be waited for: {error}"))),
            Err(_) => Err(self.fail("the device was lost")),
        }
    }

    /// Gives the GPU up, as a driver that resets does; whatever follows is an error.
    pub fn abandon(&self) {
        self.device.destroy();
    }
}

/// Keeps the first failure.
fn note(failure: &Mutex<Option<String>>, problem: &str) {
    lock(failure).get_or_insert_with(|| problem.to_owned());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// wgpu's report on one line.
fn describe(error: &wgpu::Error) -> String {
    match error {
        wgpu::Error::OutOfMemory { .. } => "out of memory".into(),
        other => other.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// The adapter that is meant.
fn choose(adapters: &[Adapter], choice: Option<&str>) -> Result<usize> {
    let Some(choice) = choice else { return Ok(0) };
    let wanted = choice.trim().to_lowercase();
    let by_name = |adapter: &&Adapter| !wanted.is_empty() && adapter.name.to_lowercase().contains(&wanted);
    let found = match choice.parse::<usize>() {
        Ok(index) => adapters.get(index),
        Err(_) => adapters.iter().find(by_name),
    };
    let names = adapters.iter().map(|adapter| format!("{} ({})", adapter.index, adapter.name));
    found.map(|adapter| adapter.index).ok_or_else(|| Error::unknown("adapter", choice, names))
}

/// The value of a future of wgpu's, which outside a browser is there at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_is_chosen_by_number_or_name() {
        let limits = Limits { workgroup_bytes: 0, invocations: 0, binding_bytes: 0, groups: 0, iterations: None };
        let adapter = |index, name: &str| Adapter {
            index,
            name: name.into(),
            backend: "vulkan".into(),
            driver: String::new(),
            software: false,
            limits,
            timestamps: false,
            wide_integers: false,
            subgroup: None,
        };
        let adapters = [adapter(0, "NVIDIA H200"), adapter(1, "llvmpipe")];
        for (choice, index) in [(None, 0), (Some("1"), 1), (Some("LLVM"), 1), (Some("h200"), 0)] {
            assert_eq!(choose(&adapters, choice).unwrap(), index);
        }
        for wrong in ["2", "", " ", "radeon", "-1"] {
            let text = choose(&adapters, Some(wrong)).unwrap_err().to_string();
            assert!(text.contains("1 (llvmpipe)"), "{text}");
        }
    }
}
