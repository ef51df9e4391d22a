package proc

// Kernel is memory that the kernel uses for all processes together, in bytes.
type Kernel struct {
	Slab       int64 // sockets, files and what watches them
	PageTables int64
}

// KernelMemory reads what the kernel uses now.
func KernelMemory() (Kernel, error) {
	sizes, err := sizesIn("/proc/meminfo", "Slab", "PageTables")
	if err != nil {
		return Kernel{}, err
	}
	return Kernel{Slab: sizes[0], PageTables: sizes[1]}, nil
}
