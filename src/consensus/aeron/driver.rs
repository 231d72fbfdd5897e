//! Aeron's C media driver and a client of it, both stepped by the thread that owns them: they start no
//! thread that works, wait for nothing, and live in a directory of shared memory.

use std::ffi::CString;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusteron_media_driver::bindings::aeron_threading_mode_enum;
use rusteron_media_driver::{
    Aeron, AeronAsyncAddExclusivePublication, AeronCError, AeronContext, AeronCountersReader,
    AeronDriver, AeronDriverContext, AeronExclusivePublication, AeronSubscription, Handlers,
};
use socket2::{Domain, Socket, Type};

use super::AeronError;
use crate::sys::file;

/// What is asked of the kernel for each socket, and how much a sender may have under way: a quarter of a
/// second of payloads at 8 MB/s. A window must fit into the socket's buffer.
pub(super) const WINDOW_BYTES: usize = 2 << 20;
/// What the driver keeps of its counters: room for 8,192.
const COUNTERS_BYTES: usize = 1 << 20;
/// What the driver takes of the directory for itself.
const DRIVER_BYTES: u64 = 16 << 20;
/// How often what is not on the path of messages is looked at: peers that went, and new ones.
const TIMER: Duration = Duration::from_millis(20);
/// A stream that is silent for so long has ended, and begins again when something comes. Less than a
/// leader waits for a voter: whom it has left behind has let go of what it would wait for in vain.
pub(super) const IMAGE_LIVENESS: Duration = Duration::from_millis(250);
/// A receiver says at least so often where it is.
const STATUS_INTERVAL: Duration = Duration::from_millis(20);
/// A part that is missing is asked for within this time: several receivers take turns.
const NAK_BACKOFF: Duration = Duration::from_micros(500);
/// The two that watch each other's life here are one thread: it may be stopped for as long as it likes.
const NEVER: Duration = Duration::from_hours(24);
/// The type of the counter that says up to where a publication may send: `snd-lmt`.
const SENDER_LIMIT: i32 = 9;
/// The longest that adding a stream may take: nothing of it needs a peer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The driver and its client.
#[derive(Debug)]
pub(super) struct Driver {
    // In the order in which they end.
    client: Aeron,
    driver: AeronDriver,
}

/// See [`Driver::limit`].
#[derive(Debug)]
pub(super) struct Limit {
    counters: AeronCountersReader,
    counter: i32,
}

impl Limit {
    /// The position now.
    pub(super) fn position(&self) -> i64 {
        self.counters.get_counter_value(self.counter).unwrap_or(0)
    }
}

impl Driver {
    /// Starts the driver in `directory`, which is deleted first if it is there: what another life left
    /// behind would be answered by nobody. `bytes` is what the streams will take of it.
    pub(super) fn start(directory: &Path, bytes: u64) -> Result<Self, AeronError> {
        check_room(directory, bytes)?;
        let window = window_bytes().map_err(|source| AeronError::Socket { source })?;
        let path = directory.to_str().and_then(|path| CString::new(path).ok());
        let path = path.ok_or_else(|| AeronError::Path(directory.into()))?;
        let failed =
            |source| AeronError::Driver { directory: directory.into(), said: said(&source) };
        let start = || {
            let context = AeronDriverContext::new()?;
            context.set_dir(&path)?;
            context.set_dir_delete_on_start(true)?;
            context.set_dir_delete_on_shutdown(true)?;
            let invoker = aeron_threading_mode_enum::AERON_THREADING_MODE_INVOKER;
            context.set_threading_mode(invoker)?;
            context.set_counters_buffer_length(COUNTERS_BYTES)?;
            context.set_socket_so_rcvbuf(window)?;
            context.set_socket_so_sndbuf(window)?;
            context.set_rcv_initial_window_length(window)?;
            context.set_timer_interval_ns(nanos(TIMER))?;
            context.set_image_liveness_timeout_ns(nanos(IMAGE_LIVENESS))?;
            context.set_publication_connection_timeout_ns(nanos(IMAGE_LIVENESS))?;
            context.set_rcv_status_message_timeout_ns(nanos(STATUS_INTERVAL))?;
            context.set_nak_multicast_max_backoff_ns(nanos(NAK_BACKOFF))?;
            context.set_client_liveness_timeout_ns(nanos(NEVER))?;
            context.set_publication_unblock_timeout_ns(2 * nanos(NEVER))?;
            context.set_driver_timeout_ms(nanos(NEVER) / 1_000_000)?;
            let driver = AeronDriver::new(&context)?;
            driver.start(true)?;
            let context = AeronContext::new()?;
            context.set_dir(&path)?;
            context.set_use_conductor_agent_invoker(true)?;
            context.set_driver_timeout_ms(nanos(NEVER) / 1_000_000)?;
            let client = Aeron::new(&context)?;
            client.start()?;
            Ok(Self { client, driver })
        };
        start().map_err(failed)
    }

    /// Sends, receives, and does what is due. Returns how much there was to do.
    pub(super) fn step(&self) -> Result<usize, AeronError> {
        let stopped = |source| AeronError::Stopped { said: said(&source) };
        let work = self.driver.main_do_work().map_err(stopped)?;
        let more = self.client.main_do_work().map_err(stopped)?;
        Ok(usize::try_from(work).unwrap_or(0) + usize::try_from(more).unwrap_or(0))
    }

    /// A publication that only this thread writes to.
    pub(super) fn publication(
        &self,
        channel: &str,
        stream: i32,
    ) -> Result<AeronExclusivePublication, AeronError> {
        let failed = |source| add_failed(channel, &source);
        let uri = CString::new(channel).expect("made of numbers");
        let adding = self.client.async_add_exclusive_publication(&uri, stream).map_err(failed)?;
        self.until(channel, || AeronAsyncAddExclusivePublication::poll(&adding))
    }

    /// A subscription.
    pub(super) fn subscription(
        &self,
        channel: &str,
        stream: i32,
    ) -> Result<AeronSubscription, AeronError> {
        let uri = CString::new(channel).expect("made of numbers");
        let (here, gone) = (Handlers::NONE, Handlers::NONE);
        let adding = self.client.async_add_subscription(&uri, stream, here, gone);
        let adding = adding.map_err(|source| add_failed(channel, &source))?;
        self.until(channel, || adding.poll())
    }

    /// Up to where those who listen let a publication send.
    pub(super) fn limit(
        &self,
        channel: &str,
        publication: &AeronExclusivePublication,
    ) -> Result<Limit, AeronError> {
        let failed = |source| add_failed(channel, &source);
        let registration = publication.registration_id().map_err(failed)?;
        let counters = self.client.counters_reader();
        let counter = counters.find_by_type_and_registration_id(SENDER_LIMIT, registration);
        let counter = counter.ok_or_else(|| AeronError::Add {
            channel: channel.into(),
            said: "it has no counter of its limit".into(),
        })?;
        Ok(Limit { counters, counter })
    }

    fn until<T>(
        &self,
        channel: &str,
        poll: impl Fn() -> Result<Option<T>, AeronCError>,
    ) -> Result<T, AeronError> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            self.step()?;
            if let Some(added) = poll().map_err(|source| add_failed(channel, &source))? {
                return Ok(added);
            }
            thread::yield_now();
        }
        Err(AeronError::Add { channel: channel.into(), said: "no answer".into() })
    }
}

fn add_failed(channel: &str, source: &AeronCError) -> AeronError {
    AeronError::Add { channel: channel.into(), said: said(source) }
}

fn said(error: &AeronCError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Refuses a file system on which the streams would find no room later, with the memory's end in sight.
fn check_room(directory: &Path, bytes: u64) -> Result<(), AeronError> {
    let parent = directory.parent().unwrap_or(directory);
    let failed = |source| AeronError::Directory { directory: parent.into(), source };
    let free = file::free_bytes(parent).map_err(failed)?;
    let needed = bytes + DRIVER_BYTES;
    if free < needed {
        return Err(AeronError::Room { directory: parent.into(), free, needed });
    }
    Ok(())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("less than centuries")
}

/// What the kernel gives of the window that is wanted.
fn window_bytes() -> io::Result<usize> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_recv_buffer_size(WINDOW_BYTES)?;
    socket.set_send_buffer_size(WINDOW_BYTES)?;
    // The kernel says twice what it gives, for its own overhead.
    Ok((socket.recv_buffer_size()?.min(socket.send_buffer_size()?) / 2).min(WINDOW_BYTES))
}
