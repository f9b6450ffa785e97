// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"strings"
)

// guest is an emulated machine.
type guest struct {
	name  string
	about string   // what it is there for
	parts []string // what parts.sh is called with: kind, name, and what the kind takes
	env   []string // of the Go compiler
	qemu  []string // the emulator, and which machine it emulates
	shift int      // its processor takes 2^shift ns for an instruction; a kernel of malta counts two seconds by asking the clock again and again
	disk  string   // as what device the machine sees a disk; "" = it has none
	tty   string   // its console
	needs []string // modules without which it sees no disk (the clock: latchkeyd no firewall), in this order; those they depend on come by themselves
	boots []boot
}

// boot is one life of a guest.
type boot struct {
	memory int // MB
	plan   plan
}

// plan is what a guest does until it is switched off. It reads it from the file /plan.
type plan struct {
	Clock bool   // what a clock is worth, instead of all below
	Tree  string // where the project lies
	Steps []step
}

// step is one call of a package's tests in a guest.
type step struct {
	Name    string   // for people
	Package string   // such as pkgs/nft; "" = the figures of figures.go
	Run     string   // for go test -run; "" = all
	Must    []string // parts of tests that must pass, such as TestDebiansFwknop/plain
	Needs   string   // a program without which it is skipped, or ""
	Sysctl  []string // such as net.core.bpf_jit_enable=0, as long as the step lasts; what a kernel does not have is told
	Mutant  bool     // the package has mutant.go's change, and the step passes if that is noticed
}

// plenty is the memory of a guest where it does not matter, in MB.
const plenty = 512

// Guests whose name is not given are made by make test-guest, but for mips: its kernel takes long (make test-be).
var guests = []guest{
	{
		name: "mipsel", about: "routers with MT7621, MT7628 and their kin: 32 bits, no FPU, a kernel that pads attributes",
		parts: []string{"debian", "mipsel", "mipsel", "linux-image-4kc-malta"},
		env:   []string{"GOARCH=mipsle", "GOMIPS=softfloat"},
		qemu:  []string{"qemu-system-mipsel", "-M", "malta", "-cpu", "24Kf"},
		shift: 3,
		disk:  "virtio-blk-pci", tty: "ttyS0",
		needs: []string{"virtio_pci", "virtio_blk", "crc32c_generic", "ext4"},
		boots: append(everything(256), small(128, 64)...),
	},
	{
		name: "armv7", about: "routers with a 32-bit ARM",
		parts: []string{"debian", "armv7", "armhf", "linux-image-armmp"},
		env:   []string{"GOARCH=arm", "GOARM=7"},
		// With its memory above 4 GB, where virt puts it otherwise, this kernel sees no PCI.
		qemu:  []string{"qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a7"},
		shift: 1,
		disk:  "virtio-blk-device", tty: "ttyAMA0",
		needs: []string{"virtio_mmio", "virtio_blk", "crc32c_generic", "ext4"},
		boots: append(everything(plenty), small(128)...),
	},
	{
		name: "arm64", about: "routers with a 64-bit ARM",
		parts: []string{"debian", "arm64", "arm64", "linux-image-cloud-arm64"},
		env:   []string{"GOARCH=arm64"},
		qemu:  []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53"},
		shift: 1,
		disk:  "virtio-blk-device", tty: "ttyAMA0",
		needs: []string{"virtio_mmio", "virtio_blk", "crc32c_generic", "ext4"},
		boots: append(everything(plenty), small(128)...),
	},
	{
		name: "s390x", about: "big endian with Debian's own nft and 64 bits: no router, but whatever mixes up the order of bytes fails",
		parts: []string{"debian", "s390x", "s390x", "linux-image-s390x"},
		env:   []string{"GOARCH=s390x"},
		qemu:  []string{"qemu-system-s390x", "-M", "s390-ccw-virtio", "-cpu", "max"},
		shift: 1,
		disk:  "virtio-blk-ccw", tty: "ttysclp0",
		needs: []string{"virtio_blk", "crc32c_generic", "ext4"},
		boots: append(everything(plenty), small(256)...),
	},
	{
		name: "mips", about: "routers with ath79: big endian and 32 bits, with a kernel built from Debian's source",
		parts: []string{"built", "mips"},
		env:   []string{"GOARCH=mips", "GOMIPS=softfloat"},
		qemu:  []string{"qemu-system-mips", "-M", "malta", "-cpu", "24Kc"},
		shift: 3,
		disk:  "virtio-blk-pci", tty: "ttyS0",
		boots: append(everything(256), small(128, 64)...),
	},
	{
		name: "clock", about: "what the clock is worth with BusyBox's ntpd, over hours of the guest's time",
		parts: []string{"clock", "clock"},
		env:   []string{"GOARCH=amd64"},
		// It has no disk, so that all of its time can be skipped in which it sleeps: hours pass in a minute.
		qemu:  []string{"qemu-system-x86_64", "-M", "q35", "-icount", "shift=0,sleep=off", "-rtc", "base=" + wakesUp + ",clock=vm"},
		tty:   "ttyS0",
		needs: []string{"crc32c_generic", "nf_tables"},
		boots: []boot{{memory: 256, plan: plan{Clock: true}}},
	},
}

// everything is what is asked of a kernel with enough memory.
func everything(memory int) []boot {
	const roomTest = "TestManyClientsWithLittleRoomForTheFilter"
	steps := []step{{Name: "figures"}}
	for _, p := range packages {
		p.Name = p.Package
		steps = append(steps, p)
	}
	return []boot{{memory: memory, plan: plan{Steps: append(steps,
		step{Name: "filters without JIT", Package: "pkgs/capture", Run: filters, Sysctl: []string{"net.core.bpf_jit_enable=0"}},
		step{Name: "filters with JIT", Package: "pkgs/capture", Run: filters, Sysctl: []string{"net.core.bpf_jit_enable=1"}},
		step{Name: "many clients with little room for filters, and a WAN that comes late", Package: "cmd/latchkeyd",
			Needs: "nft", Run: "^" + roomTest + "$", Must: []string{roomTest}, Sysctl: []string{"net.core.optmem_max=10240"}},
		step{Name: mutation.what, Package: mutation.pkg, Needs: "nft", Run: mutation.tests, Mutant: true},
	)}}}
}

// filters are the tests of what the kernel lets through.
const filters = "^TestLive_(filters|hears|loses)"

// Of the tests that tell how much memory is taken, all run with the least that there is, and this one with any.
const floods, budget = "^(TestMemoryBudget.*|TestFlood)$", "^TestMemoryBudget$"

// small are lives with little memory, in MB, the least last.
func small(memories ...int) (boots []boot) {
	for i, m := range memories {
		memory := step{Name: "memory with " + strconv.Itoa(m) + " MB", Package: "cmd/latchkeyd", Needs: "nft", Run: budget}
		if i == len(memories)-1 {
			memory.Name, memory.Run = "floods with "+strconv.Itoa(m)+" MB", floods
		}
		boots = append(boots, boot{memory: m, plan: plan{Steps: []step{{Name: "figures"}, memory}}})
	}
	return boots
}

// packages are those that talk to the kernel, and what is made of them.
var packages = []step{
	{Package: "pkgs/netlink"},
	{Package: "pkgs/nft"},
	{Package: "pkgs/conntrack", Needs: "nft"},
	{Package: "pkgs/capture"},
	{Package: "pkgs/sandbox"},
	{Package: "pkgs/store"},
	{Package: "pkgs/daemon"},
	{Package: "pkgs/send"},
	// A kernel without seccomp skips all that isolation is tested with. Those of the guests have it.
	{Package: "cmd/latchkeyd", Needs: "nft", Must: []string{
		"TestIsolation/system_calls",
		"TestIsolationIsDeadly/run_a_program",
		"TestIsolationIsDeadly/look_into_a_process",
		"TestIsolationOfEveryThread",
	}},
	{Package: "cmd/latchkey", Needs: "nft"},
}

// elsewhere are tests of whole packages that a guest leaves to the machine that plays it, or to another step: they take long,
// and neither the kernel nor the width of words, the order of bytes or the memory decides what they see. What is decided by any
// of these stays, and what needs a browser, Node.js, Python or knockd is skipped because no guest has them (parts.sh). What a
// test took stands in the guest's output.
var elsewhere = []struct{ tests, why string }{
	{"^(TestScripts|TestFlags|TestLink.*|TestHelp.*|TestForms.*|TestAnswersSteerNoTerminal|TestAdd.*)$", "it is about the text of a command line"},
	{floods, "it comes in a life with less memory"},
	{filters, "it comes without and with the kernel's JIT"},
	{"^(TestCompile_answers_like_Match|TestCompile_random.*|TestSampleProgramTakesAnyPacket|TestPromises|TestScansDoNotFillTheDebugLog|TestEachPartKeepsItsNewest|TestManyGrantsThatEndAtOnce)$", "it plays thousands of cases in which Go alone decides"},
	{"^(TestKeep_.*|TestOnlyTheNewest.*|Test.*AreNotPushedOut|TestBook_of_10000.*|TestBook_gives_memory_back)$", "it fills a table of Go's to its limit"},
	{"^TestTenThousandGrants$", "it gives 12 000 grants, and each is a transaction: an emulated processor takes minutes, and the kernel's sets are filled by pkgs/nft's own tests"},
	{"^(TestFloodOf.*|TestFloodDoesNot.*|TestFlashIsSpared)$", "how quick the processor is decides, and an emulated one is slower than those of all routers"},
}

// quick is the life of the guest that make check boots: a knock of each kind opens a door, and it closes.
var quick = boot{memory: 256, plan: plan{Steps: []step{{
	Name: "a knock of each kind", Package: "cmd/latchkeyd", Run: exactly(knocks), Must: knocks,
}}}}

var knocks = []string{
	"TestDoorClosesByItself/while_the_daemon_works",
	"TestCopyOfMessageOpensNothing/stun",
	"TestCopyOfMessageOpensNothing/ports",
	"TestLatchkeyKnocks/one_press_opens_both_families",
	"TestLatchkeyKnocks/and_closes_again",
	"TestDebiansFwknop/plain",
}

// exactly is parts of tests for go test -run.
func exactly(names []string) string {
	var tests, parts []string
	for _, name := range names {
		test, part, _ := strings.Cut(name, "/")
		tests, parts = append(tests, test), append(parts, part)
	}
	return "^(" + strings.Join(tests, "|") + ")$/^(" + strings.Join(parts, "|") + ")$"
}
