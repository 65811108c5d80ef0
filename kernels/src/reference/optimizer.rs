//! Optimizers by their definitions, one weight at a time.

use crate::optimizer::{BETA_1, BETA_2, EPSILON, RHO, Rule};

/// One step for weight `w` with gradient `dw` and state `m`, `v`; see [`crate::optimizer`] for the formulas.
pub fn step(rule: Rule, decay: f64, dw: f64, w: &mut f64, m: &mut f64, v: &mut f64) {
    let g = dw + decay * *w;
    let (rho, epsilon) = (f64::from(RHO), f64::from(EPSILON));
    match rule {
        Rule::Sgd { rate } => *w -= f64::from(rate) * g,
        Rule::Momentum { rate, momentum } => {
            *m = f64::from(momentum) * *m - f64::from(rate) * g;
            *w += *m;
        }
        Rule::RmsProp { rate } => {
            *v = rho * *v + (1.0 - rho) * g * g;
            *w -= f64::from(rate) * g / (*v + epsilon).sqrt();
        }
        Rule::Adam { corrected } => {
            *m += (1.0 - f64::from(BETA_1)) * (g - *m);
            *v += (1.0 - f64::from(BETA_2)) * (g * g - *v);
            *w -= f64::from(corrected) * *m / (v.sqrt() + epsilon);
        }
    }
}
