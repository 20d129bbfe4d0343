//! edgeway-tests.
