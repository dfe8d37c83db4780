//! Numbers that carry their gradient.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// What shape functions are written over: `f64`, or [`Dual`] for the gradient too.
pub trait Number: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self> {
    /// A constant.
    fn constant(value: f64) -> Self;
    /// The value without its gradient.
    fn value(self) -> f64;
}

impl Number for f64 {
    fn constant(value: f64) -> Self {
        value
    }
    fn value(self) -> f64 {
        self
    }
}

/// A value with its gradient in the three reference coordinates.
#[derive(Debug, Clone, Copy)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// Its partial derivatives.
    pub gradient: [f64; 3],
}

impl Dual {
    /// The three coordinates as independent variables.
    pub fn variables(xi: [f64; 3]) -> [Dual; 3] {
        std::array::from_fn(|i| {
            let mut gradient = [0.0; 3];
            gradient[i] = 1.0;
            Dual { value: xi[i], gradient }
        })
    }

    fn zip(self, other: Dual, value: f64, f: impl Fn(f64, f64) -> f64) -> Dual {
        Dual { value, gradient: std::array::from_fn(|i| f(self.gradient[i], other.gradient[i])) }
    }
}

impl Number for Dual {
    fn constant(value: f64) -> Self {
        Dual { value, gradient: [0.0; 3] }
    }
    fn value(self) -> f64 {
        self.value
    }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, o: Dual) -> Dual {
        self.zip(o, self.value + o.value, |a, b| a + b)
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, o: Dual) -> Dual {
        self.zip(o, self.value - o.value, |a, b| a - b)
    }
}

// The product and quotient rules need the other operators.
#[allow(clippy::suspicious_arithmetic_impl)]
impl Mul for Dual {
    type Output = Dual;
    fn mul(self, o: Dual) -> Dual {
        self.zip(o, self.value * o.value, |a, b| a * o.value + b * self.value)
    }
}

#[allow(clippy::suspicious_arithmetic_impl)]
impl Div for Dual {
    type Output = Dual;
    fn div(self, o: Dual) -> Dual {
        self.zip(o, self.value / o.value, |a, b| (a * o.value - b * self.value) / (o.value * o.value))
    }
}

impl Neg for Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        Dual::constant(0.0) - self
    }
}
