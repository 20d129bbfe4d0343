//! What happens when backends are slow, broken, many or gone: breakers, ejection, balancing, locality,
//! retries. Each case says what was measured of Istio; where ours is other on purpose, why.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod balancing;
mod breakers;
mod ejection;
mod locality;
mod retries;
mod scene;
mod timeouts;
