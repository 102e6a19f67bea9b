#!/bin/sh
# Makes the environments of the vendors' SDKs, one each: zhipuai and zai-sdk want different versions of PyJWT.
exec "$(dirname "$0")/../environments.sh" vendor_sdks
