package report

import "embed"

// Assets has the chart library, the theme and the chart helper of the report's
// page under page/, for other pages to show figures in the same way:
// uPlot.iife.min.js, uPlot.min.css, theme.css and charts.js, in the order in
// which a page loads them.
//
//go:embed page/uPlot.iife.min.js page/uPlot.min.css page/theme.css page/charts.js
var Assets embed.FS
