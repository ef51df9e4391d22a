package config

import (
	"github.com/knadh/koanf/providers/posflag"
	"github.com/spf13/pflag"
)

// FileFlag is the flag that names the configuration file.
const FileFlag = "config"

// AddFlags registers --config and a flag for every setting, under the key of the setting in any spelling that Spring's
// relaxed rule allows. Values are only stored; [Load] parses them, so that it can report all errors together.
func AddFlags(fs *pflag.FlagSet) {
	normalize := fs.GetNormalizeFunc()
	fs.SetNormalizeFunc(func(fs *pflag.FlagSet, name string) pflag.NormalizedName {
		if s := lookup(name); s != nil {
			return pflag.NormalizedName(s.key)
		}
		if s := byFlag[name]; s != nil {
			return pflag.NormalizedName(s.key)
		}
		return normalize(fs, name)
	})
	fs.String(FileFlag, "", "YAML file with settings; without it "+defaultFileNames()+" in the current directory, if there is one")
	for _, s := range settings {
		f := fs.VarPF(&textFlag{setting: s}, s.key, "", s.help)
		if s.kind() == "bool" {
			f.NoOptDefVal = "true"
		}
	}
}

// byFlag finds settings by the further flag that some have.
var byFlag = func() map[string]*setting {
	m := map[string]*setting{}
	for _, s := range settings {
		if s.flag != "" {
			m[s.flag] = s
		}
	}
	return m
}()

// textFlag keeps what was given to a flag as text. A list or map may be given in several flags.
type textFlag struct {
	setting *setting
	text    string
	given   bool
}

var _ pflag.Value = (*textFlag)(nil)

func (f *textFlag) String() string { return f.text }

func (f *textFlag) Type() string { return f.setting.kind() }

func (f *textFlag) Set(text string) error {
	if f.given && (f.setting.typ == typeList || f.setting.typ == typeMap) {
		text = f.text + "," + text
	}
	f.text, f.given = text, true
	return nil
}

// flagProvider is the flags as a source of koanf.
func flagProvider(fs *pflag.FlagSet) *posflag.Posflag {
	return posflag.ProviderWithFlag(fs, ".", nil, func(f *pflag.Flag) (string, any) {
		v, ok := f.Value.(*textFlag)
		if !ok || !f.Changed {
			return "", nil
		}
		return v.setting.key, assignment{Raw: v.text, Origin: Origin{Source: SourceFlag, Name: f.Name}}
	})
}
