//! All domains in one call. The one place that calls the C library itself: `virt` 0.5 gives no way
//! to read the parameters of a statistics record, and leaks the list.

#![expect(
    unsafe_code,
    reason = "virConnectGetAllDomainStats has no safe wrapper that can be used"
)]

use std::ffi::CStr;
use std::ptr;

use trustnet_core::observed::DomainState;
use virt::connect::Connect;
use virt::error::Error;

use crate::doors::ListedDomain;

/// Name, UUID, state, vCPUs and memory of every domain.
pub(super) fn all_domains(connection: &Connect) -> Result<Vec<ListedDomain>, Error> {
    let wanted = virt_sys::VIR_DOMAIN_STATS_STATE
        | virt_sys::VIR_DOMAIN_STATS_BALLOON
        | virt_sys::VIR_DOMAIN_STATS_VCPU;
    let mut records: *mut virt_sys::virDomainStatsRecordPtr = ptr::null_mut();
    // SAFETY: the connection is open; on success `records` points at a list of `count` records that
    // ends with a null, which `List` frees.
    let count = unsafe {
        virt_sys::virConnectGetAllDomainStats(connection.as_ptr(), wanted, &raw mut records, 0)
    };
    let Ok(count) = usize::try_from(count) else {
        return Err(Error::last_error());
    };
    let list = List(records);
    let mut domains = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: `index` is below the count that the library gave, and no record is null.
        let record = unsafe { &**list.0.add(index) };
        domains.push(read(record));
    }
    Ok(domains)
}

struct List(*mut virt_sys::virDomainStatsRecordPtr);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list came from virConnectGetAllDomainStats and is freed once.
        unsafe { virt_sys::virDomainStatsRecordListFree(self.0) };
    }
}

fn read(record: &virt_sys::virDomainStatsRecord) -> ListedDomain {
    let number = |name: &CStr| number(record, name);
    // The driver leaves out what it does not know: libvirt's test driver gives the state alone.
    ListedDomain {
        name: domain_name(record),
        uuid: domain_uuid(record),
        state: state_of(
            number(c"state.state")
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(0),
        ),
        vcpus: number(c"vcpu.current")
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        memory_mib: number(c"balloon.maximum").unwrap_or(0) / 1024,
    }
}

fn domain_name(record: &virt_sys::virDomainStatsRecord) -> String {
    // SAFETY: the record's domain is valid while the list is; the name lives as long as the domain.
    unsafe {
        let name = virt_sys::virDomainGetName(record.dom);
        if name.is_null() {
            String::new()
        } else {
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }
}

fn domain_uuid(record: &virt_sys::virDomainStatsRecord) -> String {
    let mut bytes = [0u8; 16];
    // SAFETY: the call writes VIR_UUID_BUFLEN = 16 bytes; the domain is valid while the list is.
    let result = unsafe { virt_sys::virDomainGetUUID(record.dom, bytes.as_mut_ptr()) };
    if result < 0 {
        String::new()
    } else {
        uuid::Uuid::from_bytes(bytes).to_string()
    }
}

fn number(record: &virt_sys::virDomainStatsRecord, name: &CStr) -> Option<u64> {
    // SAFETY: `params` has `nparams` entries while the list lives; the call only reads them.
    let param =
        unsafe { virt_sys::virTypedParamsGet(record.params, record.nparams, name.as_ptr()) };
    if param.is_null() {
        return None;
    }
    // SAFETY: the pointer is into `params`; the union's field is the one that `type_` names.
    unsafe {
        match (*param).type_.cast_unsigned() {
            virt_sys::VIR_TYPED_PARAM_INT => u64::try_from((*param).value.i).ok(),
            virt_sys::VIR_TYPED_PARAM_UINT => Some(u64::from((*param).value.ui)),
            virt_sys::VIR_TYPED_PARAM_LLONG => u64::try_from((*param).value.l).ok(),
            virt_sys::VIR_TYPED_PARAM_ULLONG => Some((*param).value.ul),
            _ => None,
        }
    }
}

/// libvirt's numbers of `virDomainState`.
pub(super) fn state_of(number: u32) -> DomainState {
    match number {
        1 => DomainState::Running,
        2 => DomainState::Blocked,
        3 => DomainState::Paused,
        4 => DomainState::Shutdown,
        5 => DomainState::Shutoff,
        6 => DomainState::Crashed,
        7 => DomainState::Pmsuspended,
        _ => DomainState::NoState,
    }
}
