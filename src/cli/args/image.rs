//! Arguments of `image`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with images.
#[derive(Debug, Subcommand)]
pub enum ImageVerb {
    /// List the images of a pool, who stands on them, and who vouched for them.
    #[command(visible_alias = "ls")]
    List(ImageList),
    /// Show all that is known of an image.
    Info(ImageInfo),
    /// Bring a file of this machine into a pool as an image. The file stays. Only what a guest starts from is taken:
    /// qcow2 that depends on no other file, or a raw disk with a boot record.
    Import(ImageImport),
    /// Bring an image from its publisher into a pool: one of the catalogue, by its name, or what is behind a URL.
    /// Nothing is taken that nobody vouches for.
    Pull(ImagePull),
    /// Read images whole, and compare them with what was recorded of them. Exits with 0 where all are good, else with 5.
    Verify(ImageVerify),
    /// Delete images that nothing stands on.
    #[command(visible_alias = "rm")]
    Delete(ImageDelete),
    /// Delete the images that this program brought and that nothing stands on, and what killed runs have left. Of what
    /// came by hand nothing is touched.
    Prune(ImagePrune),
    /// Build an image from a recipe, and print the path of its file. The same recipe and the same packages give the same
    /// bytes, and are built once. Debian's tools make it, without root where a user namespace may be had.
    Build(ImageBuild),
}

/// Which pool.
#[derive(Debug, Args)]
pub struct InPool {
    /// The pool of the images [default: foundry-images] [env: TRUSTNET_VM_IMAGE_POOL]
    #[arg(long, value_name = "POOL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub pool: Option<String>,
}

/// What an image becomes.
#[derive(Debug, Args)]
pub struct ImageForm {
    /// Make qcow2 of it, whatever it is: raw, VMDK, VDI, VHD, VHDX. What is qcow2 already stays as it is.
    #[arg(long)]
    pub convert: bool,
    /// Make compressed qcow2 of it.
    #[arg(long)]
    pub compress: bool,
}

/// Arguments of `image list`.
#[derive(Debug, Args)]
pub struct ImageList {
    /// List what the catalogue has to pull, and not what is in a pool.
    #[arg(long)]
    pub available: bool,
    /// Where.
    #[command(flatten)]
    pub place: InPool,
}

/// Arguments of `image info`.
#[derive(Debug, Args)]
pub struct ImageInfo {
    /// The image's name.
    pub name: String,
    /// Where.
    #[command(flatten)]
    pub place: InPool,
}

/// Arguments of `image import`.
#[derive(Debug, Args)]
pub struct ImageImport {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The image's name [default: the file's, without what says how it was packed]
    #[arg(long)]
    pub name: Option<String>,
    /// What the file must have, such as sha256:… or sha512:….
    #[arg(long, value_name = "SUM")]
    pub checksum: Option<String>,
    /// Into what.
    #[command(flatten)]
    pub form: ImageForm,
    /// Where.
    #[command(flatten)]
    pub place: InPool,
}

/// Arguments of `image pull`.
#[derive(Debug, Args)]
pub struct ImagePull {
    /// A name of the catalogue, such as debian-12, or a URL.
    #[arg(value_name = "NAME|URL")]
    pub from: String,
    /// The image's name [default: the catalogue's; of a URL it must be given]
    #[arg(long)]
    pub name: Option<String>,
    /// What must come, such as sha256:… or sha512:….
    #[arg(long, value_name = "SUM")]
    pub checksum: Option<String>,
    /// Take it although nobody vouches for it. It is recorded as such.
    #[arg(long)]
    pub insecure_no_checksum: bool,
    /// The architecture of its guests, such as amd64 [default: the hypervisor's]
    #[arg(long)]
    pub arch: Option<String>,
    /// Into what.
    #[command(flatten)]
    pub form: ImageForm,
    /// Where.
    #[command(flatten)]
    pub place: InPool,
}

/// Arguments of `image verify`.
#[derive(Debug, Args)]
pub struct ImageVerify {
    /// The images' names; none for all.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Where.
    #[command(flatten)]
    pub place: InPool,
}

/// Arguments of `image delete`.
#[derive(Debug, Args)]
pub struct ImageDelete {
    /// The images' names.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Where.
    #[command(flatten)]
    pub place: InPool,
}

/// Arguments of `image prune`.
#[derive(Debug, Args)]
pub struct ImagePrune {
    /// Only show what would go.
    #[arg(long)]
    pub dry_run: bool,
    /// Where.
    #[command(flatten)]
    pub place: InPool,
}

/// Arguments of `image build`.
#[derive(Debug, Args)]
pub struct ImageBuild {
    /// A recipe of the program, such as debian-12, or a folder with a recipe.yaml.
    #[arg(value_name = "NAME|DIR")]
    pub recipe: PathBuf,
    /// Write the image here, too.
    #[arg(long = "file", value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Bring it into this pool, too, under the recipe's name.
    #[arg(long, value_name = "POOL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub pool: Option<String>,
    /// The archive that packages are fetched from [default: the recipe's] [env: TRUSTNET_VM_MIRROR]
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// The archive of security updates [default: the recipe's] [env: TRUSTNET_VM_SECURITY_MIRROR]
    #[arg(long, value_name = "URL")]
    pub security_mirror: Option<String>,
    /// Take what was built of the recipe before, whatever the archives have now; touch no network.
    #[arg(long, conflicts_with = "force")]
    pub offline: bool,
    /// Build it although it is there.
    #[arg(long)]
    pub force: bool,
}
