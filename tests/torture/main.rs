//! What takes long, loads the machine or measures it: kills, power losses, full disks, load, long runs, simulated worlds.
//!
//! Every test begins with its turn: `alone`, where other load would change what it finds, or `beside_others`.

mod bank_outage;
mod bench;
mod chaos;
mod crash;
mod disk;
mod feed;
mod full_disk;
mod load;
mod long_run;
mod power_loss;
mod reliability;
mod store_size;
mod strace;
mod wall_clock;
