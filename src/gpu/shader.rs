//! Shaders: WGSL from the folder `shaders`, compiled into pipelines.

use super::Gpu;
use crate::Result;

/// What the host asks of a workgroup.
pub const JOB: &str = include_str!("../../shaders/job.wgsl");
/// Products of words by 16-bit halves.
pub const WIDE: &str = include_str!("../../shaders/wide.wgsl");
/// Products of words by 64-bit integers.
pub const WIDE_64: &str = include_str!("../../shaders/wide64.wgsl");
/// Philox and dropout decisions, after one of the above.
pub const RANDOM: &str = include_str!("../../shaders/random.wgsl");
/// Activations and their slopes.
pub const ACTIVATION: &str = include_str!("../../shaders/activation.wgsl");
/// Numbers of training.
pub const OPTIMIZER: &str = include_str!("../../shaders/optimizer.wgsl");
/// Convolution of any shape.
pub const CONV: &str = include_str!("../../shaders/conv.wgsl");
/// General path: a network in one workgroup, the forward pass.
pub const NETWORK: &str = include_str!("../../shaders/network.wgsl");
/// General path: training steps.
pub const STEP: &str = include_str!("../../shaders/step.wgsl");
/// General path: accuracy and loss.
pub const EVALUATE: &str = include_str!("../../shaders/evaluate.wgsl");
/// Fast path: what training and evaluation share.
pub const FAST: &str = include_str!("../../shaders/fast.wgsl");
/// Fast path: dropout's decisions, the optimizer.
pub const FAST_SUMS: &str = include_str!("../../shaders/fast_sums.wgsl");
/// Fast path: the plan of training steps.
pub const FAST_TRAIN: &str = include_str!("../../shaders/fast_train.wgsl");
/// Fast path: the plan of an evaluation.
pub const FAST_EVALUATE: &str = include_str!("../../shaders/fast_evaluate.wgsl");
/// Weight statistics.
pub const STATISTICS: &str = include_str!("../../shaders/statistics.wgsl");
/// What the GPU can do at most.
pub const ROOF: &str = include_str!("../../shaders/roof.wgsl");

/// A compiled entry point.
#[derive(Debug)]
pub struct Pipeline(pub(super) wgpu::ComputePipeline);

/// Whether a shader looks at each index before it uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checks {
    /// It does: an index out of bounds reads or writes something else of the same array.
    #[default]
    On,
    /// It does not, which is faster by a fifth. [`Gpu::trusted_pipeline`] has the contract.
    Off,
}

/// A text whose author vouches for its indices; [`Gpu::trusted_pipeline`] has the contract.
#[derive(Clone, Copy, Debug)]
pub struct Trusted<'a> {
    source: &'a str,
}

impl<'a> Trusted<'a> {
    /// Vouches for a text. Only those written by `train::gpu::fast` have been: every access of its arrays is compared with
    /// their bounds by a test (`fast::tests::no_access_is_out_of_bounds`).
    pub(crate) fn vouch(source: &'a str) -> Trusted<'a> {
        Trusted { source }
    }
}

impl Gpu {
    /// The sources of `philox` and `kept_positions` for this GPU.
    pub fn random(&self) -> [&'static str; 2] {
        [if self.adapter().wide_integers { WIDE_64 } else { WIDE }, RANDOM]
    }

    /// Compiles an entry point of some sources, taken as one text, with values for its `override` constants.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) where the shader is refused.
    pub fn pipeline(&self, sources: &[&str], entry: &str, constants: &[(&str, f64)]) -> Result<Pipeline> {
        let module = self.device.create_shader_module(module(entry, &sources.concat()));
        self.compile(&module, entry, constants)
    }

    /// Compiles an entry point without bounds checks and without bounds on its loops.
    ///
    /// Contract of the text, for every dispatch that its host makes: each index into an array of the workgroup is below the
    /// array's length, each index into a buffer below the length of the buffer that is bound; every loop ends.
    ///
    /// # Errors
    /// As [`Gpu::pipeline`].
    pub fn trusted_pipeline(&self, text: Trusted, entry: &str) -> Result<Pipeline> {
        // SAFETY: `Trusted::vouch`, open to this crate alone, promises the contract above, which is all that is left unchecked
        #[allow(unsafe_code)]
        let module = unsafe {
            let checks = wgpu::ShaderRuntimeChecks {
                bounds_checks: false,
                force_loop_bounding: false,
                ..wgpu::ShaderRuntimeChecks::checked()
            };
            self.device.create_shader_module_trusted(module(entry, text.source), checks)
        };
        self.compile(&module, entry, &[])
    }

    fn compile(&self, module: &wgpu::ShaderModule, entry: &str, constants: &[(&str, f64)]) -> Result<Pipeline> {
        self.check()?;
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                // every shader writes its workgroup memory before it reads it
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        self.check()?;
        Ok(Pipeline(pipeline))
    }
}

fn module<'a>(entry: &'a str, source: &'a str) -> wgpu::ShaderModuleDescriptor<'a> {
    wgpu::ShaderModuleDescriptor { label: Some(entry), source: wgpu::ShaderSource::Wgsl(source.into()) }
}
