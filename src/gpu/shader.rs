//! Shaders: WGSL from the folder `shaders`, compiled into pipelines.

use super::Gpu;
use crate::Result;

/// Philox and dropout decisions.
pub const RANDOM: &str = include_str!("../../shaders/random.wgsl");
/// Activations and their slopes.
pub const ACTIVATION: &str = include_str!("../../shaders/activation.wgsl");
/// Convolution of any shape.
pub const CONV: &str = include_str!("../../shaders/conv.wgsl");
/// A network in one workgroup: the forward pass.
pub const NETWORK: &str = include_str!("../../shaders/network.wgsl");
/// Training steps.
pub const STEP: &str = include_str!("../../shaders/step.wgsl");
/// Accuracy and loss.
pub const EVALUATE: &str = include_str!("../../shaders/evaluate.wgsl");
/// Weight statistics.
pub const STATISTICS: &str = include_str!("../../shaders/statistics.wgsl");
/// What the card can do at most.
pub const ROOF: &str = include_str!("../../shaders/roof.wgsl");

/// A compiled entry point.
#[derive(Debug)]
pub struct Pipeline(pub(super) wgpu::ComputePipeline);

impl Gpu {
    /// Compiles an entry point of some sources, taken as one text, with values for its `override` constants.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) where the shader is refused.
    pub fn pipeline(&self, sources: &[&str], entry: &str, constants: &[(&str, f64)]) -> Result<Pipeline> {
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(entry),
            source: wgpu::ShaderSource::Wgsl(sources.concat().into()),
        });
        self.check()?;
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &module,
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
