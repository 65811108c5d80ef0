//! Dispatches, and how long they take.

use super::buffer::{Pending, Readback};
use super::{Buffer, Gpu, Pipeline};
use crate::Result;
use std::sync::mpsc;
use std::time::Instant;

/// A pipeline with its buffers and the number of its workgroups.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<'a> {
    /// The entry point.
    pub pipeline: &'a Pipeline,
    /// Binding numbers of group 0 with their buffers: exactly those that the entry point uses.
    pub bindings: &'a [(u32, &'a Buffer)],
    /// Workgroups along x and y.
    pub groups: [usize; 2],
}

/// Dispatches and copies in the order in which the GPU is to do them.
#[derive(Debug)]
pub struct Recorder<'g> {
    gpu: &'g Gpu,
    encoder: wgpu::CommandEncoder,
}

impl Recorder<'_> {
    /// Adds a dispatch.
    pub fn dispatch(&mut self, dispatch: &Dispatch) {
        self.gpu.encode(&mut self.encoder, &[*dispatch], 1, None);
    }

    /// Adds a copy of `bytes` bytes from byte `offset` of `buffer` on to what `readback` takes; all are multiples of 4.
    pub fn read(&mut self, buffer: &Buffer, offset: u64, bytes: u64, readback: &mut Readback) {
        self.encoder.copy_buffer_to_buffer(&buffer.0, offset, &readback.buffer, readback.used, bytes);
        readback.used += bytes;
    }

    /// Submits everything; nobody waits for it alone.
    pub fn send(self) {
        self.gpu.queue.submit([self.encoder.finish()]);
    }

    /// Submits everything and asks for what `readback` has been promised, here or in earlier submissions.
    pub fn submit(self, readback: Readback) -> Pending {
        let submission = self.gpu.queue.submit([self.encoder.finish()]);
        let (tell, mapped) = mpsc::channel();
        let window = 0..readback.used.max(8);
        readback.buffer.map_async(wgpu::MapMode::Read, window, move |outcome| _ = tell.send(outcome.is_ok()));
        Pending { readback, submission, mapped }
    }
}

impl Gpu {
    /// Begins a submission.
    pub fn recorder(&self) -> Recorder<'_> {
        let encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        Recorder { gpu: self, encoder }
    }

    /// Submits a dispatch; [`Gpu::wait`] or a download waits for it.
    pub fn submit(&self, dispatch: &Dispatch) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.encode(&mut encoder, &[*dispatch], 1, None);
        self.queue.submit([encoder.finish()]);
    }

    /// Seconds of some dispatches one after another, `times` times: by the GPU's own clock where it has one, else from
    /// submission to the end.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn time(&self, dispatches: &[Dispatch], times: usize) -> Result<f64> {
        self.wait()?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if !self.adapter().timestamps {
            self.encode(&mut encoder, dispatches, times, None);
            let start = Instant::now();
            self.queue.submit([encoder.finish()]);
            self.wait()?;
            return Ok(start.elapsed().as_secs_f64());
        }
        let set = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let ticks = Buffer(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: 16,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        }));
        self.encode(&mut encoder, dispatches, times, Some(&set));
        encoder.resolve_query_set(&set, 0..2, &ticks.0, 0);
        self.queue.submit([encoder.finish()]);
        let found: Vec<u64> = self.download(&ticks, 0, 2)?;
        Ok(found[1].saturating_sub(found[0]) as f64 * f64::from(self.queue.get_timestamp_period()) * 1e-9)
    }

    fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        dispatches: &[Dispatch],
        times: usize,
        clock: Option<&wgpu::QuerySet>,
    ) {
        let groups: Vec<wgpu::BindGroup> = dispatches.iter().map(|dispatch| self.bind(dispatch)).collect();
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: clock.map(|query_set| wgpu::ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            }),
        });
        for _ in 0..times {
            for (dispatch, group) in dispatches.iter().zip(&groups) {
                pass.set_pipeline(&dispatch.pipeline.0);
                pass.set_bind_group(0, group, &[]);
                pass.dispatch_workgroups(dispatch.groups[0] as u32, dispatch.groups[1] as u32, 1);
            }
        }
    }

    fn bind(&self, dispatch: &Dispatch) -> wgpu::BindGroup {
        let entries: Vec<wgpu::BindGroupEntry> = dispatch
            .bindings
            .iter()
            .map(|&(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.0.as_entire_binding() })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &dispatch.pipeline.0.get_bind_group_layout(0),
            entries: &entries,
        })
    }
}
