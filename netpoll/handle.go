package netpoll

import "fmt"

// Handle names a connection for the life of the process. It is a value: any
// goroutine may keep it, and one that outlived its connection is simply not
// found. The zero Handle names no connection.
//
//	bits 54..63  shard
//	bits 28..53  slot in the shard
//	bits  0..27  generation of the slot, never zero
type Handle uint64

const (
	handleGenBits  = 28
	handleSlotBits = 26
	handleGenMask  = 1<<handleGenBits - 1
	handleSlotMask = 1<<handleSlotBits - 1
	maxShards      = 1 << (64 - handleGenBits - handleSlotBits)
)

func makeHandle(shard int, slot, gen uint32) Handle {
	return Handle(shard)<<(handleGenBits+handleSlotBits) | Handle(slot)<<handleGenBits | Handle(gen)
}

func (h Handle) shard() int   { return int(h >> (handleGenBits + handleSlotBits)) }
func (h Handle) slot() uint32 { return uint32(h>>handleGenBits) & handleSlotMask }
func (h Handle) gen() uint32  { return uint32(h) & handleGenMask }

// String is for logs: shard.slot.generation.
func (h Handle) String() string {
	return fmt.Sprintf("%d.%d.%d", h.shard(), h.slot(), h.gen())
}
