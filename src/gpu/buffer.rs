//! Memory on the card.

use super::Gpu;
use crate::Result;
use bytemuck::{AnyBitPattern, NoUninit};
use std::sync::mpsc;

/// Memory on a card.
#[derive(Debug)]
pub struct Buffer(pub(super) wgpu::Buffer);

impl Gpu {
    /// Memory for `bytes` bytes, all zero.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) where it is more than the card allows or has.
    pub fn zeros(&self, what: &str, bytes: u64) -> Result<Buffer> {
        self.buffer(what, bytes, wgpu::BufferUsages::STORAGE)
    }

    /// A copy of `data` on the card.
    ///
    /// # Errors
    /// As [`Gpu::zeros`].
    pub fn upload<T: NoUninit>(&self, what: &str, data: &[T]) -> Result<Buffer> {
        let buffer = self.zeros(what, size_of_val(data) as u64)?;
        self.write(&buffer, 0, data);
        Ok(buffer)
    }

    /// A copy of words for a `var<uniform>`.
    ///
    /// # Errors
    /// As [`Gpu::zeros`].
    pub fn uniform(&self, what: &str, words: &[u32]) -> Result<Buffer> {
        let buffer = self.buffer(what, size_of_val(words).next_multiple_of(16) as u64, wgpu::BufferUsages::UNIFORM)?;
        self.write(&buffer, 0, words);
        Ok(buffer)
    }

    fn buffer(&self, what: &str, bytes: u64, kind: wgpu::BufferUsages) -> Result<Buffer> {
        let most = self.limits().binding_bytes;
        if bytes > most {
            return Err(self.fail(format!("{what} need {bytes} bytes in one buffer, at most {most} are allowed")));
        }
        let usage = kind | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        // a binding must not be empty, and copies go in fours
        let size = bytes.next_multiple_of(4).max(16);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size,
            usage,
            mapped_at_creation: false,
        });
        self.check()?;
        Ok(Buffer(buffer))
    }

    /// Overwrites a part of a buffer, from byte `offset` on; both it and the data are multiples of 4 bytes.
    pub fn write<T: NoUninit>(&self, buffer: &Buffer, offset: u64, data: &[T]) {
        if !data.is_empty() {
            self.queue.write_buffer(&buffer.0, offset, bytemuck::cast_slice(data));
        }
    }

    /// Copies `count` values from byte `offset` on back, after everything that was submitted before.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn download<T: AnyBitPattern + NoUninit>(&self, buffer: &Buffer, offset: u64, count: usize) -> Result<Vec<T>> {
        let bytes = (count * size_of::<T>()) as u64;
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("download"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&buffer.0, offset, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let (tell, told) = mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |outcome| _ = tell.send(outcome.is_ok()));
        self.wait()?;
        if told.recv() != Ok(true) {
            return Err(self.fail("its memory cannot be read"));
        }
        let view = staging.get_mapped_range(..).map_err(|error| self.fail(format!("cannot be read: {error}")))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}
