//! The timer of a connection's waits, of which there is one for each request.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that stays set from one wait to the next.
///
/// A timer that is made for a wait is mostly the next one that its runtime has, so that making it
/// wakes the runtime, which costs a call of the kernel and a round of its loop. The next wait ends
/// later than the one before: a timer that is still set for that looks at the clock when it fires,
/// and is set anew once in the length of a wait rather than once in a wait.
#[derive(Debug, Default)]
pub struct Alarm {
    // Made by the first wait.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// What `work` comes to before the deadline.
    ///
    /// # Errors
    /// [`Late`] when the deadline came first.
    pub async fn before<F: Future>(
        &mut self,
        deadline: Instant,
        work: F,
    ) -> Result<F::Output, Late> {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            self.poll(cx, deadline).map(|()| Err(Late))
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

/// The deadline came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late;

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn each_wait_ends_at_its_own_deadline() {
        let mut alarm = Alarm::default();
        let now = Instant::now();
        let [past, soon, far] = [
            now.checked_sub(Duration::from_secs(1)).unwrap(),
            now + Duration::from_millis(5),
            now + Duration::from_secs(3600),
        ];
        assert_eq!(alarm.before(far, ready(1)).await, Ok(1));
        // Earlier than what it is set for, if it is set.
        assert_eq!(alarm.before(past, pending::<()>()).await, Err(Late));
        assert_eq!(alarm.before(soon, pending::<()>()).await, Err(Late));
        assert!(Instant::now() >= soon);
        // It has fired; the next wait is not over for that.
        let later = Instant::now() + Duration::from_millis(5);
        assert_eq!(alarm.before(later, pending::<()>()).await, Err(Late));
        assert!(Instant::now() >= later);
        // Work that is done is done, however late.
        assert_eq!(alarm.before(past, ready(2)).await, Ok(2));
    }
}
