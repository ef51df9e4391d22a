package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"

	"carillon/server/auth"
	"carillon/server/config"
)

// tokenFlags are what a new token shall say and what it is signed with.
type tokenFlags struct {
	user, secretFile, privateKeyFile, algorithm, issuer string
	audience                                            []string
	ttl                                                 time.Duration
}

func newToken() *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a signed token for auth.mode jwt, or check one",
		Long: `Make a JSON Web Token for a user and print it. It is signed with auth.jwt.secret
of the configuration, with the secret in --secret-file, or with the private key
in --private-key-file. The claim for the user, issuer and audience are those of
the configuration, unless flags say otherwise.`,
		Example: `  carillon token --config application.yml --user 10001 --ttl 24h
  carillon token --private-key-file key.pem --user 10001`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command, _ []string) error { return makeToken(cmd, f) }),
	}
	flags := cmd.Flags()
	addSettings(cmd)
	flags.StringVar(&f.user, "user", "", "user the token is for (required)")
	flags.DurationVar(&f.ttl, "ttl", time.Hour, "how long it is valid; 0 means for ever")
	flags.StringVar(&f.issuer, "issuer", "", "iss claim, instead of auth.jwt.issuer")
	flags.StringSliceVar(&f.audience, "audience", nil, "aud claim, instead of auth.jwt.audience")
	flags.StringVar(&f.secretFile, "secret-file", "", "file with the shared secret; one newline at its end does not count")
	flags.StringVar(&f.privateKeyFile, "private-key-file", "", "PEM file with an RSA, ECDSA or Ed25519 private key")
	flags.StringVar(&f.algorithm, "algorithm", "", "signature algorithm (default: HS256, RS256, EdDSA, or by the curve of the key)")
	_ = cmd.MarkFlagRequired("user")
	cmd.MarkFlagsMutuallyExclusive("secret-file", "private-key-file")
	cmd.AddCommand(newTokenCheck())
	return cmd
}

func makeToken(cmd *cobra.Command, f tokenFlags) error {
	if f.ttl < 0 {
		return fail(exitUsage, errors.New("--ttl is negative"))
	}
	if f.user == "" || len(f.user) > auth.MaxUserBytes {
		return fail(exitUsage, fmt.Errorf("--user is empty or longer than %d bytes", auth.MaxUserBytes))
	}
	cfg, err := signingConfig(cmd)
	if err != nil {
		return err
	}
	key, err := signingKey(cfg, f)
	if err != nil {
		return err
	}
	now := time.Now()
	claims := jwt.MapClaims{"iat": now.Unix(), cfg.UserClaim: f.user}
	if f.ttl > 0 {
		claims["exp"] = now.Add(f.ttl).Unix()
	}
	if f.issuer == "" {
		f.issuer = cfg.Issuer
	}
	if f.issuer != "" {
		claims["iss"] = f.issuer
	}
	if f.audience == nil {
		f.audience = cfg.Audience
	}
	if f.audience != nil {
		claims["aud"] = f.audience
	}
	signed, err := jwt.NewWithClaims(key.method, claims).SignedString(key.key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), signed)
	return err
}

// signingConfig is auth.jwt of the configuration. What else may be wrong there does not matter for making a token.
func signingConfig(cmd *cobra.Command) (config.JWT, error) {
	loaded, err := config.Load(config.LoadOptions{Flags: cmd.Flags(), Environ: os.Environ()})
	var bad config.Errors
	if all, ok := errors.AsType[config.Errors](err); ok {
		for _, e := range all {
			if e.Key == "" || strings.HasPrefix(e.Key, "auth.jwt.") && e.Key != "auth.jwt.public-key-file" {
				bad = append(bad, e)
			}
		}
	}
	if bad != nil {
		return config.JWT{}, configError(bad)
	}
	return loaded.Config.Auth.JWT, nil
}

func newTokenCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check token|-",
		Short: "Tell whether a token is valid, and for which user",
		Long: `Tell whether a token is valid under the configuration, in every auth.mode, and
for which user. The argument - reads it from standard input. A token that is
refused gives exit code 6.`,
		Args: cobra.ExactArgs(1),
		RunE: run(checkToken),
	}
	addSettings(cmd)
	return cmd
}

// maxTokenInput bounds what is read as a token; the server takes no longer ones either.
const maxTokenInput = 1 << 20

func checkToken(cmd *cobra.Command, args []string) error {
	loaded, err := load(cmd)
	printNotes(cmd.ErrOrStderr(), loaded)
	if err != nil {
		return err
	}
	token := []byte(args[0])
	if args[0] == "-" {
		if token, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxTokenInput)); err != nil {
			return err
		}
		token = []byte(strings.TrimSpace(string(token)))
	}
	cfg := loaded.Config.Auth
	verifier, err := auth.New(string(cfg.Mode), cfg.Tokens, auth.JWTOptions{
		Secret: []byte(cfg.JWT.Secret), PublicKeyFile: cfg.JWT.PublicKeyFile, Algorithms: cfg.JWT.Algorithms,
		Issuer: cfg.JWT.Issuer, Audience: cfg.JWT.Audience, Leeway: cfg.JWT.Leeway, UserClaim: cfg.JWT.UserClaim,
	})
	if err != nil {
		return configError(err)
	}
	id, err := verifier.Verify(token)
	if err != nil {
		return fail(exitRefused, fmt.Errorf("token refused: %w", err))
	}
	expires := "never"
	if !id.Expires.IsZero() {
		expires = id.Expires.UTC().Format(time.RFC3339)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "user: %s\nexpires: %s\n", id.User, expires)
	return err
}
