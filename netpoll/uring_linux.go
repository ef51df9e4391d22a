package netpoll

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// uring is an io_uring(7) that hands the kernel many sends in one system call.
// Nothing is under way between two calls of submit: each send is non-blocking,
// so the kernel completes it while it takes it. Loop only.
type uring struct {
	fd     int
	rings  []byte // both rings, shared with the kernel
	shared []byte // the submission entries, shared with the kernel

	sqTail *uint32
	sqMask uint32
	sqes   []sqe
	bytes  []*byte // what the entries point to: kept on the heap and alive
	first  uint32  // number of the first entry that was not submitted
	tail   uint32  // number of the next entry

	cqHead, cqTail *uint32
	cqMask         uint32
	cqes           []cqe

	results []int32
}

// The kernel's structures, see linux/io_uring.h.
type (
	sqe struct {
		opcode      uint8
		flags       uint8
		ioprio      uint16
		fd          int32
		off         uint64
		addr        uint64
		len         uint32
		msgFlags    uint32
		userData    uint64
		bufIndex    uint16
		personality uint16
		spliceFD    int32
		_           [2]uint64
	}
	cqe struct {
		userData uint64
		res      int32
		flags    uint32
	}
	uringParams struct {
		sqEntries, cqEntries, flags, threadCPU, threadIdle, features, wqFD uint32

		_  [3]uint32
		sq struct {
			head, tail, mask, entries, flags, dropped, array, _ uint32

			_ uint64
		}
		cq struct {
			head, tail, mask, entries, overflow, cqes, flags, _ uint32

			_ uint64
		}
	}
)

const (
	uringOffRings       = 0
	uringOffSQEs        = 0x10000000
	uringFeatSingleMmap = 1 << 0
	uringFeatNoDrop     = 1 << 1
	uringGetEvents      = 1 << 0
	uringOpSend         = 26
)

// newUring makes an io_uring for at most entries sends at a time, a power of two,
// and tries it out.
func newUring(entries int) (u *uring, err error) {
	var p uringParams
	fd, _, e := syscall.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if e != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", e)
	}
	u = &uring{fd: int(fd), bytes: make([]*byte, entries), results: make([]int32, entries)}
	defer func() {
		if err != nil {
			u.close()
			u = nil
		}
	}()
	const need = uringFeatSingleMmap | uringFeatNoDrop
	if p.features&need != need {
		return u, fmt.Errorf("io_uring has features %#x, needed are %#x", p.features, need)
	}
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	size := max(p.sq.array+4*p.sqEntries, p.cq.cqes+p.cqEntries*uint32(unsafe.Sizeof(cqe{})))
	if u.rings, err = unix.Mmap(u.fd, uringOffRings, int(size), prot, flags); err != nil {
		return u, fmt.Errorf("map the rings of io_uring: %w", err)
	}
	if u.shared, err = unix.Mmap(u.fd, uringOffSQEs, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})), prot, flags); err != nil {
		return u, fmt.Errorf("map the entries of io_uring: %w", err)
	}
	at := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&u.rings[off])) }
	u.sqTail, u.cqHead, u.cqTail = at(p.sq.tail), at(p.cq.head), at(p.cq.tail)
	u.sqMask, u.cqMask = *at(p.sq.mask), *at(p.cq.mask)
	u.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&u.shared[0])), p.sqEntries)
	u.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&u.rings[p.cq.cqes])), p.cqEntries)
	for i, array := 0, unsafe.Slice(at(p.sq.array), p.sqEntries); i < len(array); i++ {
		array[i] = uint32(i)
	}
	return u, u.try()
}

// try sends a byte over a socket pair: setting up is allowed more often than
// submitting is, and old kernels do not know all operations.
func (u *uring) try() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	out, in := []byte{1}, []byte{0}
	u.send(int32(pair[0]), out)
	results, err := u.submit()
	if err != nil {
		return err
	}
	if results[0] < 0 {
		return fmt.Errorf("io_uring send: %w", syscall.Errno(-results[0]))
	}
	if n, _, _ := unix.Recvfrom(pair[1], in, unix.MSG_DONTWAIT); n != 1 || in[0] != out[0] {
		return errors.New("io_uring lost what it sent")
	}
	return nil
}

// close frees the ring.
func (u *uring) close() {
	for _, b := range [][]byte{u.shared, u.rings} {
		if b != nil {
			_ = unix.Munmap(b)
		}
	}
	_ = unix.Close(u.fd)
}

// send notes a non-blocking send for the next submit, of which there may be as
// many as the ring has entries. b must stay as it is until then.
func (u *uring) send(fd int32, b []byte) {
	p := unsafe.SliceData(b)
	u.bytes[u.tail-u.first] = p
	u.sqes[u.tail&u.sqMask] = sqe{
		opcode: uringOpSend, fd: fd, addr: uint64(uintptr(unsafe.Pointer(p))), len: uint32(len(b)),
		msgFlags: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL, userData: uint64(u.tail),
	}
	u.tail++
}

// submit has all noted sends done and returns for each, in their order, the
// number of bytes that were sent or the negative errno. With an error the kernel
// does not take sends any more; those it did not take have the result
// uringUnsent. Valid until the next submit.
func (u *uring) submit() ([]int32, error) {
	results := u.results[:u.tail-u.first]
	untaken, pending := len(results), 0
	var err error
	atomic.StoreUint32(u.sqTail, u.tail)
	for untaken+pending > 0 {
		n, e := u.enter(untaken, untaken+pending)
		switch {
		case e == 0 && (n > 0 || untaken == 0):
			untaken -= n
			pending += n
		case e == unix.EINTR:
		case untaken > 0:
			for i := len(results) - untaken; i < len(results); i++ {
				results[i] = uringUnsent
			}
			u.tail -= uint32(untaken)
			untaken = 0
			atomic.StoreUint32(u.sqTail, u.tail)
			err = fmt.Errorf("io_uring_enter: %w", e)
		default:
			panic("BUG: io_uring does not tell what became of sends: " + e.Error())
		}
		pending -= u.reap(results)
	}
	clear(u.bytes[:len(results)])
	u.first = u.tail
	return results, err
}

// shortBatch is a batch of some half a millisecond. A longer one is announced to Go's
// scheduler: its collector would have to wait for the loop.
const shortBatch = 64

// enter has the kernel take the next sends and wait for so many completions.
func (u *uring) enter(sends, wait int) (taken int, err syscall.Errno) {
	call := syscall.RawSyscall6 // like rawSend, keeps the processor
	if sends > shortBatch {
		call = syscall.Syscall6
	}
	n, _, err := call(unix.SYS_IO_URING_ENTER, uintptr(u.fd), uintptr(sends), uintptr(wait), uringGetEvents, 0, 0)
	return int(n), err
}

// reap takes the completions that are there and returns their number.
func (u *uring) reap(results []int32) int {
	head, tail := *u.cqHead, atomic.LoadUint32(u.cqTail)
	n := int(tail - head)
	for ; head != tail; head++ {
		e := &u.cqes[head&u.cqMask]
		i := uint32(e.userData) - u.first
		if int(i) >= len(results) {
			panic(fmt.Sprintf("BUG: io_uring completed send %d of %d to %d", uint32(e.userData), u.first, u.tail))
		}
		results[i] = e.res
	}
	atomic.StoreUint32(u.cqHead, head)
	return n
}
