package matrix

import (
	"runtime/debug"
	"strings"
)

// Version is the one of a module that this program was built with.
func Version(module string) string {
	build, known := debug.ReadBuildInfo()
	if !known {
		return "?"
	}
	for _, dependency := range build.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "?"
}
