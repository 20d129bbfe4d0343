//! edgeway-alb-core.
