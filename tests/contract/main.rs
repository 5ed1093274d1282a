//! What the program relies on of a hypervisor, asked of each: the fake of the tests and libvirt's
//! test driver. `guests_contract` asks a real daemon.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

mod contract;
mod hosts;
mod images;
mod pools;

use hosts::{fake, libvirt_test};

/// All promises.
mod promise {
    pub use crate::contract::*;
    pub use crate::images::*;
    pub use crate::pools::*;
}

/// A test for each promise and host.
macro_rules! promises {
    ($host:ident: $($promise:ident),+ $(,)?) => {
        mod $host {
            $(
                #[test]
                fn $promise() {
                    super::$host(|place| super::promise::$promise(place));
                }
            )+
        }
    };
}

promises!(fake:
    a_pool_is_made_once_and_started_where_it_is_not_active,
    a_pool_is_listed_with_its_sizes_as_it_is_found,
    a_pool_that_is_forgotten_leaves_its_files_and_finds_them_again,
    a_pool_that_cannot_be_made_is_not_there_afterwards,
    the_host_says_which_pools_it_can_have,
    a_volume_is_copied_with_all_that_it_holds_into_the_format_and_size_that_are_asked_for,
    a_volume_is_what_its_definition_says_and_nothing_is_made_twice,
    what_pools_hold_is_listed_with_the_pool,
    what_is_not_there_is_none_and_deleting_it_is_no_error,
    a_volume_stands_over_its_backing_file,
    bytes_come_back_as_they_were_written,
    a_stream_is_written_where_it_belongs_and_one_that_fails_is_told,
    a_file_keeps_its_holes_on_its_way_into_a_volume,
    a_cache_disk_is_made_once_and_unused_until_a_domain_refers_to_it,
    a_definition_comes_back_with_its_record_whatever_is_in_it,
    a_definition_over_the_old_one_replaces_it_and_a_bad_one_leaves_it,
    a_name_belongs_to_one_uuid,
    a_domain_starts_once_and_stops_when_its_power_is_cut,
    a_domain_that_is_undefined_is_gone_and_may_be_undefined_again,
    records_come_in_the_order_they_were_asked_for,
    a_record_that_is_written_is_read_in_both_definitions,
    the_host_says_who_it_is,
);

promises!(libvirt_test:
    a_pool_is_made_once_and_started_where_it_is_not_active,
    a_pool_is_listed_with_its_sizes_as_it_is_found,
    a_pool_that_is_forgotten_leaves_its_files_and_finds_them_again,
    the_host_says_which_pools_it_can_have,
    a_volume_is_what_its_definition_says_and_nothing_is_made_twice,
    what_pools_hold_is_listed_with_the_pool,
    what_is_not_there_is_none_and_deleting_it_is_no_error,
    a_volume_stands_over_its_backing_file,
    a_definition_comes_back_with_its_record_whatever_is_in_it,
    a_definition_over_the_old_one_replaces_it_and_a_bad_one_leaves_it,
    a_name_belongs_to_one_uuid,
    a_domain_starts_once_and_stops_when_its_power_is_cut,
    a_domain_that_is_undefined_is_gone_and_may_be_undefined_again,
    records_come_in_the_order_they_were_asked_for,
    a_record_that_is_written_is_read_in_both_definitions,
    the_host_says_who_it_is,
);
