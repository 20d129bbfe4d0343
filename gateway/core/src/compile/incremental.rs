//! The compiler that remembers: what did not change is not compiled again.
//!
//! Whether an object changed is seen by its `Arc`; sources keep those of objects that did not. What
//! is remembered never decides what comes out, only how soon, and where clusters stand: *incremental =
//! full* is a law.

use super::{Compiled, Workload, ingress::Ingresses, state::State, validate::Verdicts};
use edgeway_api::Objects;

/// Compiles one configuration after the other.
#[derive(Debug, Default)]
pub struct Compiler {
    verdicts: Verdicts,
    ingresses: Ingresses,
    /// Boxed: it goes from thread to thread.
    state: Option<Box<State>>,
}

impl Compiler {
    /// Makes the table of `workload` from all objects, as [`super::compile`] does, except that a
    /// cluster stands where it stood before.
    pub fn compile(&mut self, objects: &Objects, workload: &Workload) -> Compiled {
        let joined = self.ingresses.join(objects, workload);
        let compiled = self.compile_all(joined.as_ref().unwrap_or(objects), workload);
        let Some(_) = joined else { return compiled };
        Compiled {
            problems: self.ingresses.problems(compiled.problems, objects),
            rejected: self.ingresses.rejected(&compiled.rejected),
            ..compiled
        }
    }

    fn compile_all(&mut self, objects: &Objects, workload: &Workload) -> Compiled {
        let mut before = self.state.take();
        let followed =
            before.as_mut().map(|state| state.follow(objects, workload, &mut self.verdicts));
        let state = match (before, followed) {
            (Some(state), Some(Ok(()))) => state,
            (before, _) => {
                let mut afresh = Box::new(State::new(objects, workload, &mut self.verdicts));
                if let Some(before) = &before {
                    afresh.share(before);
                }
                afresh
            }
        };
        let compiled = Compiled {
            table: state.table(),
            problems: state.problems(objects),
            rejected: state.rejected().clone(),
        };
        self.state = Some(state);
        compiled
    }
}
