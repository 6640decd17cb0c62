//! Stands between a host and its disk and clock. Loaded by `LD_PRELOAD`.
//!
//! It follows the files of one directory, `SHIM_WATCHED`, and keeps in another one, `SHIM_KEPT`, what a power
//! cut would leave of it: see [`model`]. And it obeys orders, that whoever started the host writes into the file
//! `SHIM_ORDERS` while the host runs: see [`Orders`].
//!
//! Whatever else the process opens, reads and writes passes through untouched.

#![expect(
    unsafe_code,
    reason = "what stands in the place of the C library's functions is called as they are"
)]

mod model;
mod system;

use std::ffi::{CStr, OsString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use libc::{mode_t, off_t, off64_t, size_t, ssize_t};

use model::Model;

/// What whoever started the host wants to happen to it. Each is 0 for nothing, or the number of an error.
#[repr(C)]
struct Orders {
    /// Milliseconds that the wall clock is ahead of the true one.
    clock: AtomicI64,
    /// Of whoever writes to a file, or makes it longer.
    write: AtomicI64,
    /// Of whoever syncs a file. [`LIES`]: nothing is synced, and it is said that it was.
    sync: AtomicI64,
    /// Of whoever opens a file to write to it.
    open: AtomicI64,
    /// Writes, syncs and new files that are left until the process is killed, before the last of them; 0 for no end.
    dies: AtomicI64,
}

const LIES: i64 = -1;

struct Shim {
    watched: Vec<u8>,
    orders: &'static Orders,
    model: Mutex<Model>,
}

static SHIM: OnceLock<Shim> = OnceLock::new();

/// Which of the open files are followed: the number of each in the model and 2, [`DIRECTORY`] for the directory
/// itself, or 0. The host opens those of its journal before its many connections.
static FOLLOWED: [AtomicU32; FILES_MAX] = [const { AtomicU32::new(0) }; FILES_MAX];
const FILES_MAX: usize = 65_536;
const DIRECTORY: u32 = 1;
const FIRST_FILE: u32 = 2;

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = begin;

/// Before the program's `main`. Until it has ended everything passes through.
extern "C" fn begin() {
    let (Some(watched), Some(kept), Some(orders)) =
        (std::env::var_os("SHIM_WATCHED"), std::env::var_os("SHIM_KEPT"), std::env::var_os("SHIM_ORDERS"))
    else {
        return;
    };
    let Some(orders) = obey(orders) else { fail("no orders can be read") };
    let Ok(model) = Model::begin(&PathBuf::from(&watched), PathBuf::from(kept)) else {
        fail("what is kept cannot be written")
    };
    let _ = SHIM.set(Shim { watched: watched.into_vec(), orders, model: Mutex::new(model) });
}

/// A host without what was to be proven on it must not run.
fn fail(why: &str) -> ! {
    eprintln!("shim: {why}");
    std::process::abort()
}

/// Maps the file of the orders: whoever writes to it is heard at once.
fn obey(file: OsString) -> Option<&'static Orders> {
    let path = std::ffi::CString::new(file.into_vec()).ok()?;
    // SAFETY: the file has the size of `Orders`, stays mapped for ever, and is shared as atomics alone.
    unsafe {
        let file = system::open(libc::AT_FDCWD, path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC, 0);
        let (size, access) = (size_of::<Orders>(), libc::PROT_READ | libc::PROT_WRITE);
        let map = libc::mmap(std::ptr::null_mut(), size, access, libc::MAP_SHARED, file, 0);
        (file >= 0 && map != libc::MAP_FAILED).then(|| &*map.cast::<Orders>())
    }
}

impl Shim {
    fn of(file: c_int) -> Option<(&'static Self, u32)> {
        let number = usize::try_from(file).ok().and_then(|file| FOLLOWED.get(file))?.load(Ordering::Acquire);
        (number != 0).then(|| SHIM.get().map(|shim| (shim, number)))?
    }

    fn model(&self) -> std::sync::MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of a file right in the directory; empty for the directory itself.
    fn name<'a>(&self, path: &'a CStr) -> Option<&'a [u8]> {
        let below = path.to_bytes().strip_prefix(self.watched.as_slice())?;
        match below {
            [] => Some(below),
            [b'/', name @ ..] if !name.contains(&b'/') => Some(name),
            _ => None,
        }
    }
}

impl Shim {
    /// The disk is about to be changed.
    fn step(&self) {
        let dies = &self.orders.dies;
        let left =
            dies.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left > 0).then(|| left - 1));
        if left == Ok(1) {
            std::process::abort();
        }
    }
}

fn failed(order: &AtomicI64) -> Option<c_int> {
    c_int::try_from(order.load(Ordering::Relaxed)).ok().filter(|error| *error > 0)
}

fn refused(error: c_int) -> c_int {
    // SAFETY: it is this thread's own.
    unsafe { *libc::__errno_location() = error };
    -1
}

unsafe fn opened(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let followed = SHIM.get().and_then(|shim| {
        // SAFETY: the caller's path is a text of C.
        let name = shim.name(unsafe { CStr::from_ptr(path) })?;
        Some((shim, name))
    });
    let Some((shim, name)) = followed else {
        // SAFETY: as the caller called.
        return unsafe { system::open(at, path, flags, mode) };
    };
    if flags & (libc::O_WRONLY | libc::O_RDWR) != 0
        && let Some(error) = failed(&shim.orders.open)
    {
        return refused(error);
    }
    let mut model = shim.model();
    // SAFETY: the caller's path is a text of C.
    if flags & libc::O_CREAT != 0 && !unsafe { system::exists(path) } {
        shim.step();
    }
    // SAFETY: as the caller called.
    let (was_there, file) = unsafe { (system::exists(path), system::open(at, path, flags, mode)) };
    if let Some(followed) = usize::try_from(file).ok().and_then(|file| FOLLOWED.get(file)) {
        let number = if name.is_empty() {
            DIRECTORY
        } else {
            let file = model.opened(file, !was_there, flags & libc::O_TRUNC != 0);
            FIRST_FILE + u32::try_from(file).unwrap_or_else(|_| fail("too many files"))
        };
        followed.store(number, Ordering::Release);
    }
    file
}

/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: as the caller called. Where `mode` was left out, the kernel does not look at it.
    unsafe { opened(libc::AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: as above.
    unsafe { opened(libc::AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: as above.
    unsafe { opened(at, path, flags, mode) }
}

/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: as above.
    unsafe { opened(at, path, flags, mode) }
}

/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(file: c_int) -> c_int {
    if let Some(followed) = usize::try_from(file).ok().and_then(|file| FOLLOWED.get(file)) {
        followed.store(0, Ordering::Release);
    }
    // SAFETY: as the caller called.
    unsafe { system::close(file) }
}

/// What is written to a followed file; `None` where it is not one.
unsafe fn written(
    file: c_int,
    bytes: *const c_void,
    count: size_t,
    at: impl FnOnce() -> off64_t,
    write: impl FnOnce() -> ssize_t,
) -> ssize_t {
    let Some((shim, number @ FIRST_FILE..)) = Shim::of(file) else { return write() };
    if let Some(error) = failed(&shim.orders.write) {
        return refused(error) as ssize_t;
    }
    let mut model = shim.model();
    shim.step();
    let at = u64::try_from(at()).unwrap_or_default();
    let done = write();
    if let Some(done) = usize::try_from(done).ok().filter(|done| *done <= count) {
        // SAFETY: the caller has given so many bytes, and they were written.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), done) };
        model.wrote((number - FIRST_FILE) as usize, at, bytes);
    }
    done
}

/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(file: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: as the caller called.
    unsafe { written(file, bytes, count, || system::place(file), || system::write(file, bytes, count)) }
}

/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(file: c_int, bytes: *const c_void, count: size_t, at: off_t) -> ssize_t {
    // SAFETY: as the caller called.
    unsafe { written(file, bytes, count, || at, || system::pwrite(file, bytes, count, at)) }
}

/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(file: c_int, bytes: *const c_void, count: size_t, at: off64_t) -> ssize_t {
    // SAFETY: as the caller called.
    unsafe { written(file, bytes, count, || at, || system::pwrite(file, bytes, count, at)) }
}

fn resized(file: c_int, length: off64_t) -> c_int {
    let Some((shim, number @ FIRST_FILE..)) = Shim::of(file) else { return system::resize(file, length) };
    if let Some(error) = failed(&shim.orders.write) {
        return refused(error);
    }
    let mut model = shim.model();
    shim.step();
    let done = system::resize(file, length);
    if done == 0 {
        model.resized((number - FIRST_FILE) as usize, u64::try_from(length).unwrap_or_default());
    }
    done
}

#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(file: c_int, length: off_t) -> c_int {
    resized(file, length)
}

#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(file: c_int, length: off64_t) -> c_int {
    resized(file, length)
}

fn synced(file: c_int, sync: impl FnOnce(c_int) -> c_int) -> c_int {
    let Some((shim, number)) = Shim::of(file) else { return sync(file) };
    let lies = shim.orders.sync.load(Ordering::Relaxed) == LIES;
    if lies {
        return 0;
    }
    let mut model = shim.model();
    if let Some(error) = failed(&shim.orders.sync) {
        if number >= FIRST_FILE {
            model.gave_up((number - FIRST_FILE) as usize);
        }
        return refused(error);
    }
    shim.step();
    let done = sync(file);
    let kept = match number {
        _ if done != 0 => Ok(()),
        DIRECTORY => model.synced_names(),
        number => model.synced((number - FIRST_FILE) as usize),
    };
    kept.unwrap_or_else(|_| fail("what is kept cannot be written"));
    done
}

#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: c_int) -> c_int {
    synced(file, system::fsync)
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: c_int) -> c_int {
    synced(file, system::fdatasync)
}

/// # Safety
/// As that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: as the caller called.
    let done = unsafe { system::clock_gettime(clock, time) };
    if done == 0
        && clock == libc::CLOCK_REALTIME
        && let Some(shim) = SHIM.get()
    {
        let ahead = shim.orders.clock.load(Ordering::Relaxed);
        // SAFETY: the kernel has just written there.
        let time = unsafe { &mut *time };
        let nanos = time.tv_nsec + ahead.rem_euclid(1000) * 1_000_000;
        time.tv_sec += ahead.div_euclid(1000) + nanos / 1_000_000_000;
        time.tv_nsec = nanos % 1_000_000_000;
    }
    done
}
