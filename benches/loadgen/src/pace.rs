//! Wakes at exact moments. Tokio's own timer counts whole milliseconds, which is more than a gateway adds.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// A kernel timer with microsecond precision.
pub struct Pace {
    timer: AsyncFd<OwnedFd>,
}

impl Pace {
    #[expect(
        deprecated,
        reason = "sound for a descriptor that the value owns; the replacement needs unsafe code"
    )]
    pub fn new() -> io::Result<Pace> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        Ok(Pace {
            timer: AsyncFd::new(timer)?,
        })
    }

    /// Returns at once for a moment that has passed: lateness is made up, never skipped.
    pub async fn until(&mut self, moment: Instant) -> io::Result<()> {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: timespec(Duration::ZERO),
            it_value: timespec(left),
        };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0u8; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut expirations)?));
            match read {
                Ok(done) => return done.map(|_| ()),
                // Not readable after all: wait again.
                Err(_) => continue,
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    let tv_sec = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timespec {
        tv_sec,
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
