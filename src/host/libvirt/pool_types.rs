//! Which types of storage pools the hypervisor can have.

#![expect(
    unsafe_code,
    reason = "virConnectGetStoragePoolCapabilities has no safe wrapper in `virt`"
)]

use std::ffi::{CStr, c_char, c_void};

use virt::connect::Connect;
use virt::error::Error;

/// The XML of the storage pool capabilities.
pub(super) fn capabilities(connection: &Connect) -> Result<String, Error> {
    // SAFETY: the connection is open; the call gives null, or a text that is the caller's to free.
    let text = unsafe { virt_sys::virConnectGetStoragePoolCapabilities(connection.as_ptr(), 0) };
    if text.is_null() {
        return Err(Error::last_error());
    }
    let text = Text(text);
    // SAFETY: libvirt ends the text with a zero, and it lives as long as `text`.
    let xml = unsafe { CStr::from_ptr(text.0) };
    Ok(xml.to_string_lossy().into_owned())
}

/// A text that libvirt has allocated with malloc(3).
struct Text(*mut c_char);

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: the text came from libvirt, which tells the caller to free it; that is done once.
        unsafe { free(self.0.cast()) };
    }
}

unsafe extern "C" {
    /// free(3) of the C library, which the standard library links.
    fn free(pointer: *mut c_void);
}
