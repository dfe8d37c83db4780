//! Finite elements.
pub mod element;
pub mod quadrature;
