//! What a page of `zoometry export --page` calls: a table of `zoometry fit --compact` and one network's weights go in, its
//! statistics and predicted accuracy come out. Plain functions over the memory that page and module share; nothing is generated.

use std::sync::{Mutex, MutexGuard, PoisonError};
use zoometry_kernels::Isa;
use zoometry_kernels::compact::Compact;

struct State {
    table: Vec<u8>,
    weights: Vec<f32>,
    answer: Vec<f32>,
}

static STATE: Mutex<State> = Mutex::new(State { table: Vec::new(), weights: Vec::new(), answer: Vec::new() });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the page puts a table of so many bytes.
// SAFETY: no other function of this program has the name; so below
#[unsafe(no_mangle)]
pub extern "C" fn table(bytes: usize) -> *mut u8 {
    let mut state = state();
    state.table = vec![0; bytes];
    state.table.as_mut_ptr()
}

/// Where the page puts so many weights.
#[unsafe(no_mangle)]
pub extern "C" fn weights(count: usize) -> *mut f32 {
    let mut state = state();
    state.weights = vec![0.0; count];
    state.weights.as_mut_ptr()
}

/// Where the predicted accuracy, how far its interval reaches (NaN: unknown), the number of statistics that no training network
/// had, and the statistics are; null where the bytes are no table or the weights are not those of its networks.
#[unsafe(no_mangle)]
pub extern "C" fn predict() -> *const f32 {
    let State { table, weights, answer } = &mut *state();
    let Some(table) = Compact::new(table).ok().filter(|table| table.weights() == weights.len()) else {
        return std::ptr::null();
    };
    let (mut scratch, mut columns) = (vec![0.0; table.scratch_len()], vec![0.0; table.columns()]);
    table.summarize(Isa::detect(), weights, &mut scratch, &mut columns);
    let outside = table.outside(&columns) as f32;
    *answer = [&[table.predict(&columns), table.reach().unwrap_or(f32::NAN), outside][..], &columns].concat();
    answer.as_ptr()
}
