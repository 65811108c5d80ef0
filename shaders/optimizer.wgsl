// Numbers of training that the general and the fast path share.

const SGD = 0u;
const MOMENTUM = 1u;
const RMSPROP = 2u;
const ADAM = 3u;

// constants of the optimizers, as f32 so that 1 − β is rounded as the kernels round it
const MU = 0.9f;
const RHO = 0.9f;
const BETA_1 = 0.9f;
const BETA_2 = 0.999f;
const EPSILON = 1e-7f;

/// Purpose of dropout's random numbers, `drp` and the layer.
const DROPOUT_PURPOSE = 0x64727000u;

/// A batch's loss from here on counts as not finite.
const DIVERGED = 1e30f;
