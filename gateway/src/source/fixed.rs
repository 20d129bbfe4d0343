//! One configuration for ever: for tests, and for commands that look once.

use super::{Lost, Source};
use edgeway_api::Objects;
use std::sync::Arc;
use tokio::sync::watch;

/// One configuration for ever.
#[derive(Clone, Debug, Default)]
pub struct Fixed(
    /// The configuration.
    pub Arc<Objects>,
);

impl Source for Fixed {
    async fn run(self, latest: watch::Sender<Arc<Objects>>) -> Result<(), Lost> {
        latest.send_replace(self.0);
        latest.closed().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Fixed, Source};
    use std::sync::Arc;
    use tokio::sync::watch;

    #[tokio::test]
    async fn it_is_sent_once_and_the_source_ends_with_its_listeners() {
        let (sender, mut latest) = watch::channel(Arc::default());
        let fixed = Fixed::default();
        let source = tokio::spawn(fixed.clone().run(sender));
        latest.changed().await.unwrap();
        assert!(Arc::ptr_eq(&latest.borrow_and_update(), &fixed.0));
        drop(latest);
        source.await.unwrap().unwrap();
    }
}
