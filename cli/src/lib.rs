//! edgeway.
