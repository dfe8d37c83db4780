//! The traits through which algebra meets the rest.

/// A linear map.
pub trait LinearOperator: Sync {
    /// Number of rows.
    fn nrows(&self) -> usize;
    /// Number of columns.
    fn ncols(&self) -> usize;
    /// `y = A x`, with `x: [ncols]`, `y: [nrows]`.
    fn apply(&self, x: &[f64], y: &mut [f64]);
}

/// An approximate inverse.
pub trait Preconditioner: Sync {
    /// `z = M^-1 r`.
    fn apply(&self, r: &[f64], z: &mut [f64]);
}

/// A map with a vector-Jacobian product, e.g. a finite-element residual that a network's loss contains.
pub trait DifferentiableOperator {
    /// Length of the input.
    fn input_len(&self) -> usize;
    /// Length of the output.
    fn output_len(&self) -> usize;
    /// `y = F(x)`.
    fn apply(&self, x: &[f64], y: &mut [f64]);
    /// `g = (dF/dx)^T v` at `x`.
    fn vjp(&self, x: &[f64], v: &[f64], g: &mut [f64]);
}
