//! Memory on the GPU.

use super::Gpu;
use crate::Result;
use bytemuck::{AnyBitPattern, NoUninit};
use std::sync::mpsc;

/// Memory on a GPU.
#[derive(Debug)]
pub struct Buffer(pub(super) wgpu::Buffer);

impl Gpu {
    /// Memory for `bytes` bytes, all zero.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) where it is more than the GPU allows or has.
    pub fn zeros(&self, what: &str, bytes: u64) -> Result<Buffer> {
        self.buffer(what, bytes, wgpu::BufferUsages::STORAGE)
    }

    /// A copy of `data` on the GPU.
    ///
    /// # Errors
    /// As [`Gpu::zeros`].
    pub fn upload<T: NoUninit>(&self, what: &str, data: &[T]) -> Result<Buffer> {
        let buffer = self.zeros(what, size_of_val(data) as u64)?;
        self.write(&buffer, 0, data);
        Ok(buffer)
    }

    /// A copy of `words` for a `var<uniform>`.
    ///
    /// # Errors
    /// As [`Gpu::zeros`].
    pub fn uniform<T: NoUninit>(&self, what: &str, words: &[T]) -> Result<Buffer> {
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
        let mut readback = self.readback(bytes);
        let mut recorder = self.recorder();
        recorder.read(buffer, offset, bytes, &mut readback);
        let pending = recorder.submit(readback);
        pending.finish(self, |bytes| bytemuck::pod_collect_to_vec(bytes)).map(|(found, _)| found)
    }

    /// Memory through which results come back, `bytes` at a time; made once and used again and again.
    pub fn readback(&self, bytes: u64) -> Readback {
        let size = bytes.next_multiple_of(8).max(8);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Readback { buffer, size, used: 0 }
    }
}

/// Memory that both the GPU and the host see.
#[derive(Debug)]
pub struct Readback {
    pub(super) buffer: wgpu::Buffer,
    pub(super) size: u64,
    /// Bytes that are to come.
    pub(super) used: u64,
}

impl Readback {
    /// Bytes that it can take.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Results that are on their way.
#[derive(Debug)]
pub struct Pending {
    pub(super) readback: Readback,
    pub(super) submission: wgpu::SubmissionIndex,
    pub(super) mapped: mpsc::Receiver<bool>,
}

impl Pending {
    /// Waits for the results, hands their bytes to `read`, and returns the memory for the next ones.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn finish<T>(self, gpu: &Gpu, read: impl FnOnce(&[u8]) -> T) -> Result<(T, Readback)> {
        let Pending { mut readback, submission, mapped } = self;
        gpu.wait_for(Some(submission))?;
        // a callback that comes later than what it tells of is waited for
        if mapped.recv() != Ok(true) {
            return Err(gpu.fail("its memory cannot be read"));
        }
        let window = 0..readback.used.max(8);
        let view =
            readback.buffer.get_mapped_range(window).map_err(|error| gpu.fail(format!("cannot be read: {error}")))?;
        let found = read(&view[..readback.used as usize]);
        drop(view);
        readback.buffer.unmap();
        readback.used = 0;
        Ok((found, readback))
    }
}
