//! edgeway-alb-controller.
