//! Instructions and stack.

use core::ptr::{read_volatile, write_volatile};
use core::sync::atomic::{AtomicU32, Ordering};
use cortex_m::peripheral::{Peripherals, SYST, syst::SystClkSource};
use cortex_m_rt::exception;

/// What unused stack holds.
const PAINT: u32 = 0x5a5a_5a5a;
/// Ticks until SysTick begins anew.
const PERIOD: u32 = 1 << 24;
/// Instructions a tick: QEMU with `-icount shift=0` counts one a nanosecond, and the machine's clock has 25 MHz.
const TICK: u64 = 40;

static PERIODS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    PERIODS.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" {
    static mut __sheap: u32;
    static mut _stack_start: u32;
}

/// A clock of instructions, and a stack that was painted.
pub struct Measure {
    last: u64,
}

impl Measure {
    /// Paints the stack below the caller and starts the clock.
    pub fn start() -> Measure {
        paint();
        let mut clock = Peripherals::take().expect("taken once").SYST;
        clock.set_clock_source(SystClkSource::Core);
        clock.set_reload(PERIOD - 1);
        clock.clear_current();
        clock.enable_counter();
        clock.enable_interrupt();
        // it stands at 0 until the first tick
        while SYST::get_current() == 0 {}
        let mut measure = Measure { last: 0 };
        measure.lap();
        measure
    }

    /// Forgets which part of the stack was in use and is no more.
    pub fn paint(&self) {
        paint();
    }

    /// Instructions since the last time, in steps of 40.
    pub fn lap(&mut self) -> u64 {
        let ticks = loop {
            let (periods, current) = (PERIODS.load(Ordering::Relaxed), SYST::get_current());
            // a period that began in between would be counted wrongly
            if PERIODS.load(Ordering::Relaxed) == periods {
                break u64::from(periods) * u64::from(PERIOD) + u64::from(PERIOD - 1 - current);
            }
        };
        let instructions = (ticks - self.last) * TICK;
        self.last = ticks;
        instructions
    }

    /// Bytes of the stack that were written to since it was painted, at most at a time.
    pub fn stack(&self) -> usize {
        let (mut at, end) = (&raw const __sheap, &raw const _stack_start);
        // SAFETY: reads memory up to the stack's begin.
        unsafe {
            while at < end && read_volatile(at) == PAINT {
                at = at.add(1);
            }
            end.byte_offset_from(at) as usize
        }
    }
}

/// Paints the stack below the caller.
#[inline(never)]
fn paint() {
    let here = 0u32;
    let mut at = &raw mut __sheap;
    // SAFETY: all between the last static variable and this function's own part of the stack is unused.
    unsafe {
        while at < (&raw const here).cast_mut().wrapping_sub(256) {
            write_volatile(at, PAINT);
            at = at.add(1);
        }
    }
}
