package redislink

import (
	_ "embed" // the scripts

	"github.com/redis/rueidis"
)

// The scripts touch one key each, so that they run on any Redis Cluster. Their texts say what they take and return.
var (
	//go:embed campaign.lua
	campaignText string
	//go:embed resign.lua
	resignText string
	//go:embed keep.lua
	keepText string
	//go:embed notify.lua
	notifyText string

	campaignScript = rueidis.NewLuaScript(campaignText)
	resignScript   = rueidis.NewLuaScript(resignText)
	keepScript     = rueidis.NewLuaScript(keepText)
	notifyScript   = rueidis.NewLuaScript(notifyText)
)
