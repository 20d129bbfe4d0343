//! edgeway-local-alb.
