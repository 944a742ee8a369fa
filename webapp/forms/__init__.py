"""Forms settle everything that can be wrong with input, so the code behind them need not ask again."""
