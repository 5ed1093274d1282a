//! x
/// x
pub const MAX_BYTES: usize = 1 << 20;
/// x
pub struct Document {
    /// x
    pub vm: trustnet_api::vm::VirtualMachine,
}
impl Document {
    /// x
    pub fn place(&self, p: crate::problem::Problem) -> crate::problem::Problem {
        p
    }
}
/// x
pub fn load(b: &[u8]) -> (Vec<Document>, Vec<crate::problem::Problem>) {
    let v: Vec<trustnet_api::vm::VirtualMachine> =
        serde_saphyr::from_multiple(std::str::from_utf8(b).unwrap()).unwrap();
    (v.into_iter().map(|vm| Document { vm }).collect(), vec![])
}
