//! What the bytes mean.

pub mod csv;
pub mod packet;
pub mod zeek;
