//! The host's free memory, what it would give back on demand included: `virNodeGetFreeMemory` counts
//! the page cache as taken, which on a host that has been up for a while is nearly everything.

#![expect(
    unsafe_code,
    reason = "virNodeGetMemoryStats has no safe wrapper in `virt`"
)]

use std::ffi::CStr;
use std::ptr;

use virt::connect::Connect;
use virt::error::Error;

/// `VIR_NODE_MEMORY_STATS_ALL_CELLS`, which the bindings give as an unsigned number.
const ALL_CELLS: i32 = -1;

/// Free memory in MiB: free, buffers and cache.
pub(super) fn available_mib(connection: &Connect) -> Result<u64, Error> {
    let mut count = 0;
    // SAFETY: with no array the call only says how many entries it has.
    let asked = unsafe {
        virt_sys::virNodeGetMemoryStats(
            connection.as_ptr(),
            ALL_CELLS,
            ptr::null_mut(),
            &raw mut count,
            0,
        )
    };
    if asked < 0 {
        return Err(Error::last_error());
    }
    // SAFETY: all-zero bytes are a valid entry: an empty name and the value 0.
    let empty: virt_sys::virNodeMemoryStats = unsafe { std::mem::zeroed() };
    let mut stats = vec![empty; usize::try_from(count).unwrap_or(0)];
    // SAFETY: the array has `count` entries, and the call writes no more.
    let filled = unsafe {
        virt_sys::virNodeGetMemoryStats(
            connection.as_ptr(),
            ALL_CELLS,
            stats.as_mut_ptr(),
            &raw mut count,
            0,
        )
    };
    if filled < 0 {
        return Err(Error::last_error());
    }
    let wanted = |stat: &&virt_sys::virNodeMemoryStats| {
        // SAFETY: libvirt ends the name with a zero inside the field.
        let name = unsafe { CStr::from_ptr(stat.field.as_ptr()) };
        [c"free", c"buffers", c"cached"].contains(&name)
    };
    let kib: u64 = stats.iter().filter(wanted).map(|stat| stat.value).sum();
    Ok(kib >> 10)
}
