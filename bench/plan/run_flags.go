package plan

import (
	"os"

	"github.com/spf13/pflag"
)

// RunFlags are the flags of `carillon bench run FILE`: what belongs to the run
// as a whole. They win over the file; a list takes the place of the file's.
type RunFlags struct{ values []*flagValue }

// AddRunFlags registers the flags. [RunFlags.Load] reads them.
func AddRunFlags(fs *pflag.FlagSet) *RunFlags {
	fs.SortFlags = false
	return &RunFlags{values: addFlags(fs, planSection, "", nil)}
}

// Load is the function [Load] with the flags put over what the file says.
func (f *RunFlags) Load(path string) (*Plan, error) {
	d, err := loadDraft(path)
	if err != nil {
		return nil, err
	}
	for _, v := range f.values {
		if v.texts != nil {
			delete(d.bad, v.one.key)
		}
		d.setFlag(v)
		if v.one.env != "" && v.texts == nil && !d.set(v.one.key, d.field(v.one).IsZero()) && d.Agents != nil && os.Getenv(v.one.env) != "" {
			d.setEnv(v.one)
		}
	}
	return d.finish(path)
}
