//! x
use trustnet_api::vm::*;
use super::*;
use crate::problem::Problem;
use sha2::{Digest,Sha256};
fn q(s:&Option<trustnet_api::quantity::Quantity>, gb:Option<u64>)->u64{ if let Some(q)=s { let t=&q.0; let n:u64=t.trim_end_matches(|c:char|c.is_alphabetic()).parse().unwrap(); if t.ends_with("Gi"){n<<30}else if t.ends_with("Mi"){n<<20}else{n}} else {gb.unwrap()<<30}}
fn sec(s:&trustnet_api::secret::SecretString)->SecretValue{use trustnet_api::secret::SecretString as S; match s {S::Inline(v)=>SecretValue::Known(v.clone()),S::ValueFrom(v)=>SecretValue::From(v.clone()),S::Redacted(v)=>SecretValue::Redacted(v.clone())}}
impl Vm {
    /// x
    pub fn resolve(w: &VirtualMachine) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let s=&w.spec; let name=VmName::parse(&w.metadata.name).unwrap();
        let digest=format!("{:x}",Sha256::digest(serde_json::to_vec(&(&w.metadata.name,&w.metadata.labels,&s)).unwrap()));
        let ci=s.cloud_init.clone().unwrap_or_default();
        let b=&s.boot_disk;
        Ok((Vm{uuid:Uuid::new_v5(&Uuid::NAMESPACE_URL,format!("{name}{digest}").as_bytes()),
         wire:VirtualMachine{status:None,..w.clone()},digest,vcpus:s.vcpus,memory_mib:q(&s.memory,s.memory_gib)>>20,
         cpu_mode:s.cpu_mode.unwrap_or(CpuMode::HostModel),firmware:s.firmware.unwrap_or(Firmware::Uefi),tpm:s.tpm==Some(true),autostart:s.autostart!=Some(false),protected:s.protected==Some(true),pool:s.storage_pool.clone().unwrap_or(VM_POOL.into()),
         boot_disk:BootDisk{size:q(&b.size,b.size_gb),source:match &b.image{None=>BootSource::Empty,Some(i)=>BootSource::Volume{pool:IMAGE_POOL.into(),volume:i.clone()}},format:DiskFormat::Qcow2,volume:format!("{name}_boot.qcow2")},
         data_disks:s.data_disks.iter().map(|d|DataDisk{device:d.device.clone(),size:q(&d.size,d.size_gb),volume:format!("{name}_data-{}.qcow2",d.device),filesystem:d.filesystem,mount_path:d.mount_path.clone(),reclaim:d.reclaim_policy.unwrap_or(ReclaimPolicy::Delete),serial:format!("tnvm-{}",d.device)}).collect(),
         interfaces:s.network_interfaces.iter().enumerate().map(|(i,n)|Interface{attachment: if let Some(x)=&n.bridge{Attachment::Bridge(x.clone())}else if let Some(x)=&n.segment{Attachment::Segment(x.clone())}else if let Some(x)=&n.network{Attachment::Network(x.clone())} else {Attachment::User{ssh_port:None}},mac:MacAddr::of_interface(&name,i),tap:n.bridge.is_some().then(||Tap::of_interface(&name,i)),addresses:n.ip.iter().chain(&n.ips).map(|a|a.parse().unwrap()).collect(),dhcp:n.dhcp.or(n.user.is_some().then_some(Dhcp::Ipv4)),gateways:vec![],dns_servers:vec![],default_route:i==0,vlan:None,pxe_boot:false}).collect(),
         guest:Guest{hostname:name.as_str().replace('_',"-"),fqdn:ci.fqdn.clone(),ssh_authorized_keys:ci.ssh_authorized_keys.clone(),password_hash:ci.password_hash.as_ref().map(sec),ssh_password_auth:false,raw_user_data:ci.raw_user_data.as_ref().map(sec),users:ci.users.iter().map(|u|User{name:u.name.clone(),ssh_authorized_keys:vec![],groups:vec![],sudo:u.sudo==Some(true),shell:u.shell.clone(),password_hash:None}).collect(),packages:vec![],files:ci.files.iter().map(|f|File{path:f.path.clone(),content:sec(&f.content),owner:"root:root".into(),mode:0o644}).collect(),run_commands:ci.run_commands.clone(),timezone:None,locale:"C.UTF-8".into()},
         name,
        },vec![]))
    }
}
